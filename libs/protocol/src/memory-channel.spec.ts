import { describe, expect, it } from "vitest";

import { createChannelPair } from "./memory-channel.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe("the in-memory channel", () => {
  it("delivers steps in order, before and after there is a handler, and counts them", async () => {
    const [a, b] = createChannelPair();
    const got: [number, number[]][] = [];
    a.send(7, Uint8Array.of(1, 2), true);
    await turn();
    b.receive((step, payload) => got.push([step, [...payload]]));
    a.send(8, Uint8Array.of(3), false);
    await turn();
    expect(got).toEqual([
      [7, [1, 2]],
      [8, [3]],
    ]);
    expect(a.counters).toEqual({ sentMessages: 2, sentBytes: 3, receivedMessages: 0, receivedBytes: 0 });
    expect(b.counters).toEqual({ sentMessages: 0, sentBytes: 0, receivedMessages: 2, receivedBytes: 3 });
  });

  it.each([
    ["early", true, 1],
    ["early", false, 1],
    ["late", true, 1],
    ["late", false, 9],
  ] as const)("%s, copy %s: a payload changed after send arrives as %i", async (time, copy, want) => {
    const [a, b] = createChannelPair(time);
    const got: number[] = [];
    b.receive((_step, payload) => got.push(payload[0]));
    const payload = Uint8Array.of(1);
    a.send(0, payload, copy);
    payload[0] = 9;
    await turn();
    expect(got).toEqual([want]);
  });

  it("tells both ends once when it is closed, and carries nothing after", async () => {
    const [a, b] = createChannelPair();
    const ends: string[] = [];
    a.onClose((error) => ends.push(`a ${error?.message}`));
    b.onClose((error) => ends.push(`b ${error?.message}`));
    b.receive(() => ends.push("step"));
    a.send(0, Uint8Array.of(1), true);
    b.close(new Error("enough"));
    a.close();
    await turn();
    a.send(1, Uint8Array.of(1), true);
    await turn();
    expect(ends).toEqual(["b enough", "a undefined"]);
    b.onClose((error) => ends.push(`late ${error?.message}`));
    expect(ends.at(-1)).toBe("late enough");
  });
});
