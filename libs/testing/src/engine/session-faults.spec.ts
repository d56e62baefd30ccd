import { cost, schedule } from "@parley/plan";
import { SessionError, createChannelPair } from "@parley/protocol";
import type { Channel } from "@parley/protocol";
import type { Ring } from "@parley/ring";
import { beforeAll, describe, expect, it } from "vitest";

import { evaluate } from "./evaluate.js";
import { PlanBuilder, randomIntegers } from "./plan-builder.js";
import { maskModel, newBatch, openSessions, runInMemory } from "./run-in-memory.js";
import type { MaskedModel } from "./run-in-memory.js";

const { plan, weights } = new PlanBuilder([1, 6, 6], 48)
  .conv(3, 3, {}, 8)
  .maxPool(2)
  .relu(4, "online")
  .dense(9, 8)
  .relu(8)
  .dense(4, 8)
  .build(40);
const RECORDS = 2;
const { messages } = schedule(plan, RECORDS);
const input = randomIntegers(RECORDS * 36, 8);
let model: MaskedModel;
beforeAll(async () => {
  model = await maskModel(plan, weights);
});

type Send = (step: number, payload: Uint8Array, copy: boolean) => void;

/** A channel whose sends are changed on the way. */
function bent(channel: Channel, bend: (send: Send) => Send): Channel {
  const send = bend((step, payload, copy) => channel.send(step, payload, copy));
  return {
    get counters() {
      return channel.counters;
    },
    send,
    receive: (handler) => channel.receive(handler),
    close: (error) => channel.close(error),
    onClose: (handler) => channel.onClose(handler),
  };
}

/** Runs to the end, whatever it is: how each side ended. */
async function outcome(channels: [Channel, Channel]): Promise<{ errors: unknown[]; revealed: boolean }> {
  const { server, client } = openSessions(model, RECORDS, { channels });
  const side = (prepare: () => Promise<void>, run: () => Promise<unknown>): Promise<unknown> =>
    prepare()
      .then(run)
      .then(
        () => undefined,
        (error: unknown) => error,
      );
  const ready = server.prepare();
  const errors = await Promise.all([
    side(
      () => ready,
      () => server.run(() => undefined),
    ),
    side(
      () => client.prepare().then(() => ready.catch(() => undefined)),
      () => client.run(input),
    ),
  ]);
  return { errors, revealed: server.revealed };
}

const failures = (errors: unknown[]): unknown[] => errors.map((e) => (e instanceof SessionError ? e.failure : e));

const lastOfClient = Math.max(...messages.filter((m) => m.from === 1).map((m) => m.step));
const BENDS: Record<string, (send: Send, at: number) => Send> = {
  "a byte more": (send, at) => (step, payload, copy) =>
    send(step, step === at ? Uint8Array.from([...payload, 0]) : payload, copy),
  "a byte less": (send, at) => (step, payload, copy) => send(step, step === at ? payload.slice(1) : payload, copy),
  "no byte": (send, at) => (step, payload, copy) => send(step, step === at ? new Uint8Array(0) : payload, copy),
  "the number of another step": (send, at) => (step, payload, copy) =>
    send(step === at ? step + 2 : step, payload, copy),
  "a number that no step has": (send, at) => (step, payload, copy) =>
    send(step === at ? 0xffffffff : step, payload, copy),
  "itself twice": (send, at) => (step, payload) => {
    send(step, payload.slice(), true);
    if (step === at) send(step, payload.slice(), true);
  },
};

describe("a step that is not the one due", () => {
  const steps = messages.filter((m) => m.step !== messages.length - 1);
  // A second copy of one of the last steps comes when its receiver has sent all it had to send.
  const tooLate = (name: string, step: number): boolean => name === "itself twice" && step >= messages.length - 3;
  it.each(
    Object.keys(BENDS).flatMap((name) =>
      steps.filter((m) => !tooLate(name, m.step)).map(({ step, from, phase }) => ({ name, step, from, phase })),
    ),
  )(
    "$phase step $step of P$from sent as $name: the receiver ends the session with an error, nothing is revealed",
    async ({ name, step, from }) => {
      const channels = createChannelPair();
      channels[from] = bent(channels[from], (send) => BENDS[name](send, step));
      const { errors, revealed } = await outcome(channels);
      const [receiver, sender] = from === 0 ? [1, 0] : [0, 1];
      expect(failures(errors)[receiver]).toBe("PEER_MESSAGE");
      expect(failures(errors)[sender]).toBe("CLOSED");
      expect(revealed).toBe(false);
    },
  );

  it("a last message of another length ends P1's session", async () => {
    const channels = createChannelPair();
    channels[0] = bent(channels[0], (send) => BENDS["a byte less"](send, messages.length - 1));
    expect(failures((await outcome(channels)).errors)[1]).toBe("PEER_MESSAGE");
  });
});

describe("bytes changed on the way", () => {
  const flip =
    (at: number) =>
    (send: Send): Send =>
    (step, payload, copy) =>
      send(step, step === at ? payload.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) : payload, copy);

  it.each(messages.filter((m) => m.step !== messages.length - 1).map(({ step, from }) => ({ step, from })))(
    "in step $step of P$from: the transcripts differ, nothing is revealed",
    async ({ step, from }) => {
      const channels = createChannelPair();
      channels[from] = bent(channels[from], flip(step));
      const { errors, revealed } = await outcome(channels);
      expect(failures(errors)).toEqual(["TRANSCRIPT", "CLOSED"]);
      expect(revealed).toBe(false);
    },
  );

  it("in the transcript's hash itself", async () => {
    const channels = createChannelPair();
    channels[1] = bent(
      channels[1],
      (send) => (step, payload, copy) =>
        send(
          step,
          step === lastOfClient ? payload.map((b, i) => (i === payload.length - 1 ? b ^ 128 : b)) : payload,
          copy,
        ),
    );
    expect(failures((await outcome(channels)).errors)).toEqual(["TRANSCRIPT", "CLOSED"]);
  });
});

describe("the life of a session", () => {
  it("refuses a second prepare and a second run, and a run before prepare", async () => {
    const { server, client } = openSessions(model, RECORDS);
    await expect(client.run(input)).rejects.toMatchObject({ failure: "STATE" });
    await Promise.all([server.prepare(), client.prepare()]);
    await expect(server.prepare()).rejects.toMatchObject({ failure: "STATE" });
    await expect(client.prepare()).rejects.toMatchObject({ failure: "STATE" });
    const [result] = await Promise.all([client.run(input), server.run(() => undefined)]);
    expect(result).toEqual(evaluate(plan, weights, input, RECORDS));
    await expect(server.run(() => undefined)).rejects.toMatchObject({ failure: "STATE" });
    await expect(client.run(input)).rejects.toMatchObject({ failure: "STATE" });
  });

  it("reveals nothing where the server's last check throws", async () => {
    const { server, client } = openSessions(model, RECORDS);
    await Promise.all([server.prepare(), client.prepare()]);
    const revoked = new Error("the agreement was revoked");
    const ends = await Promise.allSettled([
      server.run(() => {
        throw revoked;
      }),
      client.run(input),
    ]);
    expect(ends.map((end) => end.status === "rejected" && (end.reason as SessionError).failure)).toEqual([
      "STOPPED",
      "CLOSED",
    ]);
    expect(ends[0]).toMatchObject({ reason: { cause: revoked } });
    expect(server.revealed).toBe(false);
  });

  it.each(["new", "prepared", "running"])(
    "destroyed while %s: both ends are told, nothing works any more",
    async (when) => {
      const { server, client } = openSessions(model, RECORDS);
      if (when !== "new") await Promise.all([server.prepare(), client.prepare()]);
      const end = when === "running" ? client.run(input).catch((e: unknown) => e) : undefined;
      server.destroy();
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      if (end) expect(await end).toMatchObject({ failure: "CLOSED" });
      await expect(server.run(() => undefined)).rejects.toMatchObject({ failure: "STOPPED" });
      await expect(client.prepare()).rejects.toMatchObject({ failure: "CLOSED" });
      expect(server.revealed).toBe(false);
    },
  );

  it("ends when the stream breaks", async () => {
    const channels = createChannelPair();
    const { server, client } = openSessions(model, RECORDS, { channels });
    await Promise.all([server.prepare(), client.prepare()]);
    const ends = Promise.allSettled([client.run(input), server.run(() => undefined)]);
    channels[0].close(new Error("gone"));
    for (const end of await ends) expect(end).toMatchObject({ reason: { failure: "CLOSED" } });
  });

  it("refuses input, weights, masked weights and record counts that do not fit", async () => {
    const { server, client } = openSessions(model, RECORDS);
    await Promise.all([server.prepare(), client.prepare()]);
    await expect(client.run(input.subarray(1))).rejects.toMatchObject({ failure: "INVALID" });
    expect(() => openSessions(model, 129)).toThrow(/129/);
    expect(() => openSessions({ ...model, masked: model.masked.subarray(8) }, 1)).toThrow(/masked weights/);
    expect(() => openSessions({ ...model, weights: weights.slice(1) }, 1)).toThrow(/step 0/);
    expect(() =>
      openSessions({ ...model, weights: [{ ...weights[0], weights: new Int32Array(3) }, ...weights.slice(1)] }, 1),
    ).toThrow(/step 0/);
  });

  it("fails, and says so, where the dealer sent too little", async () => {
    const short = {
      ...model,
      dealing: Object.create(model.dealing, { corrections: { value: cutShort } }) as typeof model.dealing,
    };
    function* cutShort(): Generator<Uint8Array> {
      yield new Uint8Array(100);
    }
    const { server, client } = openSessions(short, RECORDS);
    const ends = await Promise.allSettled([client.prepare(), server.prepare()]);
    expect(ends[0]).toMatchObject({ reason: { failure: "INVALID", message: /too few/ } });
    expect(ends[1]).toMatchObject({ reason: { failure: "CLOSED" } });
  });
});

describe("a dealer that stops in the middle", () => {
  it.each(["destroyed", "cut off"])("does not hold a session that is %s", async (how) => {
    async function* stuck(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(100);
      await new Promise(() => undefined);
    }
    const dealing = Object.create(model.dealing, { corrections: { value: stuck } }) as typeof model.dealing;
    const { client, channels } = openSessions({ ...model, dealing }, RECORDS);
    const prepared = client.prepare().catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    if (how === "destroyed") client.destroy();
    else channels[0].close();
    expect(await prepared).toMatchObject({ failure: how === "destroyed" ? "STOPPED" : "CLOSED" });
  });
});

/** Counts the bytes of a session's memory that a run has changed: weights and index lists stay for the next one. */
function dirt(session: object): () => number {
  const { ring } = (session as { context: { arena: { ring: Ring } } }).context.arena;
  const base = ring.exports.heapBase();
  const bytes = ring.u8(base, ring.buffer.byteLength - base);
  const before = bytes.slice();
  return () => bytes.reduce((sum, byte, i) => sum + (byte === before[i] ? 0 : 1), 0);
}

const turns = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe("memory and randomness", () => {
  it.each(["done", "stopped"])("erases the memory of a session that is %s", async (how) => {
    const { server, client } = openSessions(model, RECORDS);
    const dirty = [dirt(server), dirt(client)];
    await Promise.all([server.prepare(), client.prepare()]);
    for (const count of dirty) expect(count()).toBeGreaterThan(1000);
    if (how === "done") await Promise.all([client.run(input), server.run(() => undefined)]);
    else server.destroy();
    await turns();
    for (const count of dirty) expect(count()).toBe(0);
  });

  it("memories go from session to session without a trace: runs at the same time, some of them cut off", async () => {
    const one = async (index: number): Promise<void> => {
      const own = randomIntegers(RECORDS * 36, 8);
      const { server, client, channels } = openSessions(model, RECORDS);
      const prepared = Promise.allSettled([server.prepare(), client.prepare()]);
      if (index % 4 === 1) channels[0].close();
      await prepared;
      const run = Promise.allSettled([client.run(own), server.run(() => undefined)]);
      if (index % 4 === 2) channels[1].close();
      const [result] = await run;
      if (index % 4 === 1 || index % 4 === 2) expect(result).toMatchObject({ reason: { failure: "CLOSED" } });
      else expect(result).toEqual({ status: "fulfilled", value: evaluate(plan, weights, own, RECORDS) });
      channels[0].close();
      await turns();
    };
    for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 8 }, (_, index) => one(index)));
  });

  it("sends the offline shares before the input is known, and nothing else", async () => {
    const { server, client, channels } = openSessions(model, RECORDS);
    await Promise.all([server.prepare(), client.prepare()]);
    const { offline } = cost(plan, RECORDS);
    expect(channels[1].counters).toMatchObject({ sentMessages: offline.messages, sentBytes: offline.p1ToP0 });
    expect(channels[0].counters).toMatchObject({ sentMessages: 0 });
  });

  it("copies what it says it copies: regions filled again right after each send", async () => {
    const filled: number[] = [];
    const refill =
      (send: Send): Send =>
      (step, payload, copy) => {
        send(step, payload, copy);
        if (!copy) return;
        payload.fill(0xa5);
        filled.push(step);
      };
    const [server, client] = createChannelPair("late");
    const { result } = await runInMemory(model, input, RECORDS, {
      channels: [bent(server, refill), bent(client, refill)],
    });
    expect(result).toEqual(evaluate(plan, weights, input, RECORDS));
    const offline = messages.filter((m) => m.phase === "offline").map((m) => m.step);
    expect(filled).toEqual([...offline, messages.length - 1]);
  });

  const payloads = async (batch?: ReturnType<typeof newBatch>): Promise<Set<string>> => {
    const blocks = new Set<string>();
    const channels = createChannelPair("early", (_from, step, payload) => {
      const bytes = Buffer.from(payload);
      // Behind P1's last payload is a hash of everything, no payload.
      const end = step === lastOfClient ? bytes.length - 32 : bytes.length;
      for (let at = 0; at + 16 <= end; at++) blocks.add(bytes.toString("latin1", at, at + 16));
    });
    await runInMemory(model, input, RECORDS, { channels, batch });
    return blocks;
  };

  it("two runs on the same input have no 16 bytes in common, at any offset", async () => {
    const [first, second] = [await payloads(), await payloads()];
    expect(first.size).toBeGreaterThan(1000);
    expect([...second].filter((block) => first.has(block))).toEqual([]);
  });

  it("the same batch would give the same bytes: the test above can fail", async () => {
    const batch = newBatch(RECORDS);
    const [first, second] = [await payloads(batch), await payloads(batch)];
    expect([...second].every((block) => first.has(block))).toBe(true);
  });

  it("another model's weights under the same plan give another result", async () => {
    const other = weights.map((w) => ({ ...w, weights: w.weights.map((value) => value + 1) }));
    const { result } = await runInMemory({ ...model, weights: other }, input, RECORDS);
    expect(result).not.toEqual(evaluate(plan, weights, input, RECORDS));
  });
});
