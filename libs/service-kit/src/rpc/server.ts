import { Server, type ServerCredentials } from "@grpc/grpc-js";
import type { Logger } from "../telemetry/logger.js";
import type { TokenVerifier } from "../router/token.js";
import type { TrustStore } from "../tls/trust-store.js";
import { adapt, type OpenCalls } from "./adapt.js";
import type { Binding } from "./implement.js";
import { probeBinding } from "./probe-binding.js";
import { addReflection } from "./reflection.js";

/** What may be under way to a reader that has not taken it: at 64 KiB, the default, a stream of correlations waits for its reader most of the time. */
export const FLOW_CONTROL_BYTES = 4 << 20;

/** A peer that does not answer a ping is gone: noticed within 15 seconds where calls are under way. */
export const KEEPALIVE = { timeMs: 10_000, timeoutMs: 5_000 };

/** Largest message that a service takes; methods that stream send pieces of 1 MiB. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

export interface ServerSettings {
  readonly credentials: ServerCredentials;
  readonly bindings: readonly Binding[];
  readonly logger: Logger;
  /** Under mutual TLS: whose certificates are taken. */
  readonly trust?: TrustStore;
  readonly tokens?: Pick<TokenVerifier, "verify">;
  readonly options?: Readonly<Record<string, string | number>>;
}

/** Full name, e.g. "parley.identity.v1.IdentityService". */
const serviceName = ({ definition }: Binding) => Object.values(definition)[0].path.split("/")[1];

/** A gRPC server of a service; with reflection unless PARLEY_ENV says production. */
export class RpcServer {
  readonly #server: Server;
  readonly #calls: OpenCalls = new Set();

  constructor(private readonly settings: ServerSettings) {
    this.#server = new Server({
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
      "grpc-node.flow_control_window": FLOW_CONTROL_BYTES,
      "grpc.keepalive_time_ms": KEEPALIVE.timeMs,
      "grpc.keepalive_timeout_ms": KEEPALIVE.timeoutMs,
      ...settings.options,
    });
    if (process.env.PARLEY_ENV !== "production") addReflection(this.#server, settings.bindings.map(serviceName));
    const probing = settings.trust ? [probeBinding()] : []; // for those whose certificate is known, as all else
    for (const binding of [...settings.bindings, ...probing])
      this.#server.addService(binding.definition, adapt(binding, { ...settings, calls: this.#calls }));
    settings.trust?.onChange((org) => {
      for (const call of this.#calls) if (call.org === org && !call.stillTrusted()) call.abort.abort();
    });
  }

  /** Starts to listen; port 0 chooses a free one. Returns the port. */
  async listen(address: string): Promise<number> {
    const port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync(address, this.settings.credentials, (error, bound) =>
        error ? reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error })) : resolve(bound),
      ),
    );
    return port;
  }

  /** Ends lasting streams (UNAVAILABLE, so that callers go elsewhere), lets other calls finish for `graceMs`, then closes. */
  async close(graceMs = 3_000): Promise<void> {
    for (const call of this.#calls)
      if (call.lasting) {
        call.draining = true;
        call.abort.abort();
      }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#server.forceShutdown();
        resolve();
      }, graceMs);
      this.#server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
