import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** One address before several processes, as a service of Kubernetes is: each new connection goes to the next one that takes it. */
export class Front {
  readonly backends: number[];
  /** Connections that each port has taken. */
  readonly taken = new Map<number, number>();
  readonly #sockets = new Set<Socket>();
  #next = 0;

  private constructor(
    private readonly server: Server,
    port: number,
  ) {
    this.backends = [port];
    server.on("connection", (socket) => this.pass(socket, this.backends.length));
  }

  /** @param address host:port of the first process */
  static async before(address: string): Promise<Front> {
    const server = createServer();
    const front = new Front(server, Number(address.slice(address.lastIndexOf(":") + 1)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return front;
  }

  get address(): string {
    return `localhost:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  private pass(from: Socket, tries: number) {
    this.#sockets.add(from);
    const port = this.backends[this.#next++ % this.backends.length];
    const to = connect(port, "127.0.0.1");
    to.once("connect", () => {
      this.taken.set(port, (this.taken.get(port) ?? 0) + 1);
      from.pipe(to).pipe(from);
      const end = () => (from.destroy(), to.destroy(), this.#sockets.delete(from));
      for (const socket of [from, to]) socket.on("error", end).on("close", end);
    });
    to.once("error", () => (tries > 1 ? this.pass(from, tries - 1) : from.destroy()));
  }
}
