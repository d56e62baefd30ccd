import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";

/** Plaintext grpc.health.v1 for probes, which cannot speak mutual TLS; serves nothing else. */
export interface Health {
  readonly port: number;
  setServing(serving: boolean): void;
  close(): void;
}

export async function startHealth(address: string, service: string): Promise<Health> {
  const health = new HealthImplementation({ "": "NOT_SERVING", [service]: "NOT_SERVING" });
  const server = new Server();
  health.addToServer(server);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error })) : resolve(bound),
    ),
  );
  return {
    port,
    setServing(serving) {
      for (const name of ["", service]) health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
    },
    close: () => server.forceShutdown(),
  };
}
