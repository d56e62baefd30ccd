import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";

import { computeMaskId, deriveBatch, lengthPrefixed, stepKey } from "./key-derivation.js";
import type { BatchContext } from "./key-derivation.js";

const bytes = (count: number): Uint8Array => new Uint8Array(randomBytes(count));
const periodKey = bytes(32);
const context: BatchContext = {
  maskId: bytes(32),
  planDigest: bytes(32),
  batchId: bytes(16),
  records: 8,
  org0: bytes(32),
  org1: bytes(32),
};
const hex = (key: Uint8Array): string => Buffer.from(key).toString("hex");

describe("keys of a batch", () => {
  it("are the same for the same batch, and all different from each other", () => {
    const [a, b] = [deriveBatch(periodKey, context), deriveBatch(periodKey, { ...context })];
    expect(a).toEqual(b);
    const keys = [a.key0, a.key1, a.dealerKey].map(hex);
    expect(new Set(keys).size).toBe(3);
    expect(keys.some((key) => key.includes(hex(a.fingerprint)))).toBe(false);
    expect(a.fingerprint.length).toBe(16);
  });

  it.each([
    ["mask id", { maskId: bytes(32) }],
    ["plan digest", { planDigest: bytes(32) }],
    ["batch id", { batchId: bytes(16) }],
    ["record count", { records: 4 }],
    ["model owner", { org0: bytes(32) }],
    ["data owner", { org1: bytes(32) }],
    ["organisations the other way round", { org0: context.org1, org1: context.org0 }],
  ])("change with the %s", (_, change) => {
    const [a, b] = [deriveBatch(periodKey, context), deriveBatch(periodKey, { ...context, ...change })];
    for (const name of ["key0", "key1", "dealerKey", "fingerprint"] as const) expect(b[name]).not.toEqual(a[name]);
  });

  it("change with the period key", () =>
    expect(deriveBatch(bytes(32), context).key0).not.toEqual(deriveBatch(periodKey, context).key0));

  it("refuse fields of a wrong length, naming them", () => {
    expect(() => deriveBatch(periodKey, { ...context, batchId: bytes(15) })).toThrow(
      /batchId must have 16 bytes, not 15/,
    );
    expect(() => deriveBatch(bytes(16), context)).toThrow(/period key/);
    expect(() => deriveBatch(periodKey, { ...context, records: -1 })).toThrow(/-1/);
  });
});

describe("keys of a step", () => {
  it("differ from step to step and role to role", () => {
    const { key0, key1 } = deriveBatch(periodKey, context);
    const keys = [stepKey(key0, 0), stepKey(key0, 1), stepKey(key1, 0)].map((key) => hex(key.export()));
    expect(new Set(keys).size).toBe(3);
    expect(hex(stepKey(key0, 1).export())).toBe(keys[1]);
  });
});

describe("the mask id", () => {
  const fields = (): [Uint8Array, Uint8Array, Uint8Array, Uint8Array] => [bytes(32), bytes(32), bytes(32), bytes(16)];
  it("depends on every field", () => {
    const given = fields();
    const id = computeMaskId(...given);
    expect(id.length).toBe(32);
    expect(computeMaskId(...given)).toEqual(id);
    fields().forEach((other, at) => {
      const changed = given.map((field, i) => (i === at ? other : field)) as ReturnType<typeof fields>;
      expect(computeMaskId(...changed)).not.toEqual(id);
    });
  });
});

describe("length-prefixed fields", () => {
  it("cannot be cut differently", () => expect(lengthPrefixed("ab", "c")).not.toEqual(lengthPrefixed("a", "bc")));
});
