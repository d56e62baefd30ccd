import { createHash, randomBytes } from "node:crypto";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Link, piecesOf } from "./link.mjs";
import { startRelay } from "./relay.mjs";

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

/** A server behind a relay; what it does with each connection is the test's. */
async function behindRelay(delayMs: number, megabits: number, serve: (socket: Socket) => void): Promise<Socket> {
  const server: Server = createServer({ allowHalfOpen: true }, serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const relay = await startRelay({ target, delayMs, megabits });
  const socket = connect({ host: "127.0.0.1", port: Number(relay.address.split(":")[1]), allowHalfOpen: true });
  closing.push(
    () => socket.destroy(),
    () => relay.close(),
    () => server.close(),
  );
  return socket;
}

const hashOf = (socket: Socket): Promise<string> =>
  new Promise((resolve, reject) => {
    const hash = createHash("sha256");
    socket.on("data", (data) => hash.update(data));
    socket.on("end", () => resolve(hash.digest("hex")));
    socket.on("error", reject);
  });
const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");

describe("the times of a link", () => {
  it("are the delay behind the last bit, one write after the other", () => {
    const link = new Link(20, 8); // 1000 bytes a millisecond
    expect(link.arrival(100, 5000)).toBe(125);
    expect(link.arrival(101, 1000)).toBe(126); // waits until the first has left at 105
    expect(link.arrival(200, 1000)).toBe(221); // the link was free
  });

  it("hold a sender back only above what is under way", () => {
    expect(new Link(20, 350).windowBytes).toBe(2 * Math.max(1 << 20, 350 * 125 * 20));
    expect(new Link(0.1, Infinity).arrival(7, 1e9)).toBe(7.1);
  });

  it.each([
    [-1, 10],
    [Number.NaN, 10],
    [1, 0],
    [1, Number.NaN],
  ])("refuse a delay of %d ms with %d Mbit/s", (delay, megabits) => {
    expect(() => new Link(delay, megabits)).toThrow(RangeError);
  });

  it("cut a long write into pieces that make it up", () => {
    const data = randomBytes(100_000);
    expect(Buffer.concat([...piecesOf(data)]).equals(data)).toBe(true);
    expect([...piecesOf(Buffer.alloc(0))]).toEqual([]);
  });
});

describe("a relay", () => {
  it("carries both directions whole and in order, also past its window", async () => {
    const [there, back] = [randomBytes(6 << 20), randomBytes(5 << 20)];
    let served: (hash: Promise<string>) => void;
    const atServer = new Promise<string>((resolve) => (served = resolve));
    const socket = await behindRelay(1, 2000, (connection) => {
      served(hashOf(connection));
      connection.end(back);
    });
    const atClient = hashOf(socket);
    for (let at = 0; at < there.length; at += 70_001) socket.write(there.subarray(at, at + 70_001));
    socket.end();
    expect(await atServer).toBe(sha256(there));
    expect(await atClient).toBe(sha256(back));
  });

  it("delivers nothing before it is due, and short messages one by one", async () => {
    const delayMs = 3;
    const socket = await behindRelay(delayMs, 1000, (served) => served.on("data", (data) => served.write(data)));
    for (let i = 0; i < 10; i++) {
      const sent = performance.now();
      socket.write(Buffer.from([i]));
      const answer = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
      expect(performance.now() - sent).toBeGreaterThanOrEqual(2 * delayMs);
      expect([...answer]).toEqual([i]);
    }
  });

  it("passes on a broken connection", async () => {
    const socket = await behindRelay(1, 1000, (served) => served.resetAndDestroy());
    await new Promise<void>((resolve) => socket.once("close", () => resolve()).once("error", () => {}));
    expect(socket.destroyed).toBe(true);
  });

  it("refuses an address without a port", async () => {
    await expect(startRelay({ target: "localhost", delayMs: 1, megabits: 1 })).rejects.toThrow("HOST:PORT");
  });
});
