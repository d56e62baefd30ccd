import { connect, createServer, type Socket } from "node:net";

/** What passed through one connection, in bytes as on the wire, TLS included. */
export interface Passed {
  /** From the caller (a worker of the data owner, P1). */
  up: number;
  /** From the server (a worker of the model owner, P0). */
  down: number;
  closed: boolean;
}

export interface Relay {
  readonly port: number;
  /** Connections in the order in which they came. */
  readonly connections: readonly Passed[];
  close(): void;
}

/** A TCP relay that counts bytes. @param target where to connect, asked at each connection: "host:port" */
export async function startRelay(target: () => string): Promise<Relay> {
  const connections: Passed[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((caller) => {
    const [host, port] = target().split(":");
    const served = connect(Number(port), host);
    const passed: Passed = { up: 0, down: 0, closed: false };
    connections.push(passed);
    const forward = (from: Socket, to: Socket, direction: "up" | "down") => {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (data: Buffer) => {
        passed[direction] += data.length;
        if (!to.write(data)) from.pause();
      });
      to.on("drain", () => from.resume());
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => {
        passed.closed = true;
        sockets.delete(from);
        to.destroy();
      });
    };
    forward(caller, served, "up");
    forward(served, caller, "down");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return {
    port: address.port,
    connections,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
