import { Client, Server, ServerCredentials, credentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { peer } from "@parley/proto";
import { createChannelPair, type Channel } from "@parley/protocol";
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { decodeRequest, decodeResponse, type Incoming } from "./frame-codec.js";
import { GrpcChannel } from "./grpc-channel.js";
import { STREAM_OPTIONS } from "./stream-options.js";

const asIs = (value: Buffer) => value;
const MIB = 1 << 20;
/** Steps that the cases send, from either end: number and exact length. */
const STEPS = [
  { step: 3, bytes: 5 },
  { step: 4, bytes: 0 },
  { step: 9, bytes: 3 * MIB + 17 },
  { step: 10, bytes: 2 * MIB },
  { step: 11, bytes: 1 },
];

interface Pair {
  readonly ends: [Channel, Channel];
  close(): void;
}

const frameOf = (message: Incoming<unknown>): Buffer => {
  if ("frame" in message) return message.frame;
  throw new Error("only frames are sent here");
};

/** Both ends of one gRPC stream on a socket. */
async function grpcPair(): Promise<Pair> {
  const server = new Server(STREAM_OPTIONS);
  const served = new Promise<GrpcChannel>((resolve) => {
    const session = (stream: ServerDuplexStream<Buffer, Buffer>) => {
      const sink = { write: (message: Buffer) => void stream.write(message), end: () => stream.end() };
      const channel = new GrpcChannel(sink, STEPS);
      stream.on("data", (message: Buffer) => channel.accept(frameOf(decodeRequest(message))));
      for (const event of ["end", "cancelled", "error"]) stream.on(event, () => channel.ended());
      stream.sendMetadata(stream.metadata);
      resolve(channel);
    };
    const definition = { ...peer.PeerServiceService.session, requestDeserialize: asIs, responseSerialize: asIs };
    server.addService({ session: definition }, { session });
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), STREAM_OPTIONS);
  const stream = client.makeBidiStreamRequest(peer.PeerServiceService.session.path, asIs, asIs);
  const sink = { write: (message: Buffer) => void stream.write(message), end: () => stream.cancel() };
  const channel = new GrpcChannel(sink, STEPS);
  stream.on("data", (message: Buffer) => channel.accept(frameOf(decodeResponse(message))));
  for (const event of ["end", "error"]) stream.on(event, () => channel.ended());
  const close = () => {
    client.close();
    server.forceShutdown();
  };
  return { ends: [await served, channel], close };
}

const inMemory = async (copy?: "late"): Promise<Pair> => ({ ends: createChannelPair(copy), close: () => {} });

const kinds: [string, () => Promise<Pair>][] = [
  ["in memory", () => inMemory()],
  ["in memory, copying late", () => inMemory("late")],
  ["over gRPC", grpcPair],
];

describe.each(kinds)("a channel %s", (_name, open) => {
  let pair: Pair;
  afterEach(() => pair?.close());

  /** Steps as they come to an end. */
  const listen = (channel: Channel) => {
    const got: { step: number; payload: Buffer }[] = [];
    channel.receive((step, payload) => got.push({ step, payload: Buffer.from(payload) }));
    return got;
  };

  it.each([0, 1] as const)("delivers whole steps in order from end %i, however long, and counts them", async (from) => {
    pair = await open();
    const [sender, receiver] = [pair.ends[from], pair.ends[1 - from]];
    const got = listen(receiver);
    const sent = STEPS.map(({ step, bytes }) => ({ step, payload: randomBytes(bytes) }));
    for (const { step, payload } of sent) sender.send(step, payload, true);
    await vi.waitFor(() => expect(got).toHaveLength(sent.length), { timeout: 10_000 });
    got.forEach(({ step, payload }, i) => {
      expect(step).toBe(sent[i].step);
      expect(payload.equals(sent[i].payload)).toBe(true);
    });
    const bytes = STEPS.reduce((sum, s) => sum + s.bytes, 0);
    expect(sender.counters).toMatchObject({ sentMessages: sent.length, sentBytes: bytes, receivedMessages: 0 });
    expect(receiver.counters).toMatchObject({ receivedMessages: sent.length, receivedBytes: bytes, sentMessages: 0 });
  });

  it("keeps what came before there was a handler", async () => {
    pair = await open();
    const [a, b] = pair.ends;
    a.send(3, Buffer.from("early"), true);
    a.send(4, Buffer.alloc(0), true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const got = listen(b);
    await vi.waitFor(() => expect(got).toHaveLength(2));
    expect(got.map(({ step, payload }) => [step, payload.toString()])).toEqual([
      [3, "early"],
      [4, ""],
    ]);
  });

  it("has taken a payload sent with copy when send returns, one without when the peer has answered", async () => {
    pair = await open();
    const [a, b] = pair.ends;
    const got = listen(b);
    const first = new Uint8Array(randomBytes(5));
    const [wanted, region] = [Buffer.from(first), new Uint8Array(3 * MIB + 17).fill(7)];
    const answers = listen(a);
    b.receive((step, payload) => {
      got.push({ step, payload: Buffer.from(payload) });
      if (step === 9) b.send(3, Buffer.from("taken"), true);
    });
    a.send(3, first, true);
    first.fill(0);
    a.send(4, Buffer.alloc(0), true);
    a.send(9, region, false);
    await vi.waitFor(() => expect(answers).toHaveLength(1), { timeout: 10_000 });
    region.fill(0);
    expect(got[0].payload.equals(wanted)).toBe(true);
    expect(got[2].payload.equals(Buffer.alloc(3 * MIB + 17, 7))).toBe(true);
  });

  it.each([0, 1] as const)("tells both ends once when end %i closes it, and carries nothing after", async (closer) => {
    pair = await open();
    const ends = [0, 0];
    pair.ends.forEach((end, i) => end.onClose(() => ends[i]++));
    const got = [listen(pair.ends[0]), listen(pair.ends[1])];
    pair.ends[closer].close();
    await vi.waitFor(() => expect(ends).toEqual([1, 1]));
    pair.ends[closer].close();
    for (const end of pair.ends) {
      end.send(3, Buffer.from("after"), true);
      end.onClose(() => ends.push(1));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(ends).toEqual([1, 1, 1, 1]);
    expect(got).toEqual([[], []]);
    for (const end of pair.ends) expect(end.counters.sentMessages).toBe(0);
  });
});
