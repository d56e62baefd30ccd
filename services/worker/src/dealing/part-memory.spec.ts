import { ExpandedPart } from "@parley/correlation";
import { expect, it } from "vitest";
import { PartMemory } from "./part-memory.js";

const KEY = 32;

function partOf(memory: PartMemory, bytes: number) {
  const held = memory.take(bytes).fill(7);
  return { held, part: new ExpandedPart({ key: new Uint8Array(KEY), corrections: memory.held(held) }) };
}

it("gives the memory of a part that was read to the next one of the same size, erased", async () => {
  const memory = new PartMemory();
  const { held, part } = partOf(memory, 1000);
  const read = new Uint8Array(1000);
  await part.corrections(read);
  expect(read.every((byte) => byte === 7)).toBe(true);
  expect(memory.take(1000)).not.toBe(held);
  part.close();
  const again = memory.take(1000);
  expect(again).toBe(held);
  expect(again.every((byte) => byte === 0)).toBe(true);
});

it("erases a part that was never read, and gives its memory back once", () => {
  const memory = new PartMemory();
  const { held, part } = partOf(memory, 64);
  part.close();
  part.close();
  expect(held.every((byte) => byte === 0)).toBe(true);
  expect(memory.take(64)).toBe(held);
  expect(memory.take(64)).not.toBe(held);
});

it("refuses to read on in a part whose memory is given back", async () => {
  const memory = new PartMemory();
  const { part } = partOf(memory, 64);
  part.close();
  await expect(part.corrections(new Uint8Array(1))).rejects.toThrow("erased");
});

it("keeps 32 MiB and no more, the latest", () => {
  const memory = new PartMemory();
  const parts = Array.from({ length: 5 }, () => memory.take(10 << 20));
  parts.forEach((part) => memory.giveBack(part));
  const taken = Array.from({ length: 4 }, () => memory.take(10 << 20));
  expect(taken.slice(0, 3).every((part) => parts.slice(2).includes(part))).toBe(true);
  expect(parts).not.toContain(taken[3]);
  const large = memory.take(33 << 20);
  memory.giveBack(large);
  expect(memory.take(33 << 20)).not.toBe(large);
});
