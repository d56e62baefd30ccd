import { createServer, connect as connectTcp, type AddressInfo, type Socket } from "node:net";

/** A network between two workers that can go silent or be cut. */
export class Relay {
  readonly #pairs = new Set<[Socket, Socket]>();
  #silent = false;
  /** Set before the first connection. */
  target = "";
  /** Where connections go in turn instead, as a load balancer does it. */
  targets: readonly string[] = [];
  /** Connections taken. */
  connections = 0;
  readonly #server = createServer((inbound) => this.join(inbound));

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Nothing passes any more; the connections stay. */
  silence(): void {
    this.#silent = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  resume(): void {
    this.#silent = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  /** Ends all connections as the end of either process does. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  private join(inbound: Socket) {
    this.connections++;
    const [host, port] = (this.targets[this.connections % this.targets.length] ?? this.target).split(":");
    const outbound = connectTcp({ host, port: Number(port) });
    const pair: [Socket, Socket] = [inbound, outbound];
    this.#pairs.add(pair);
    const over = () => {
      this.#pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const [from, to] of [pair, [outbound, inbound] as const]) {
      from.setNoDelay(true);
      from.on("data", (data) => void to.write(data));
      from.on("error", over).on("close", over);
      if (this.#silent) from.pause();
    }
  }
}
