import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addInto, pool, shiftLeft, shiftRight } from "./words.js";

const word = fc.oneof(
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  fc.constantFrom(0n, 1n, -1n, 1n << 31n, 1n << 32n, -(1n << 32n), (1n << 63n) - 1n, -(1n << 63n)),
);
const shift = fc.integer({ min: 0, max: 62 });
const halves = (values: bigint[]): Int32Array => new Int32Array(BigInt64Array.from(values).buffer);
const whole = (words: Int32Array): bigint[] => [...new BigInt64Array(words.slice().buffer)];

describe("64-bit words in halves", () => {
  it("shifts right as floor, with and without ReLU", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), shift, fc.boolean(), (values, by, relu) => {
        const expected = values.map((v) => (relu && v < 0n ? 0n : v >> BigInt(by)));
        expect(whole(shiftRight(halves(values), by, relu))).toEqual(expected);
      }),
    );
  });

  it("shifts left and adds modulo 2^64", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), word, shift, (values, other, by) => {
        const sum = shiftLeft(halves(values), by);
        addInto(sum, halves([other]));
        expect(whole(sum)).toEqual(values.map((v) => BigInt.asIntN(64, (v << BigInt(by)) + other)));
      }),
    );
  });

  it("pools the real elements of a window: the largest, or the sum", () => {
    const window = {
      ...{ inHeight: 1, inWidth: 4, outHeight: 1, outWidth: 3, kernelHeight: 1, kernelWidth: 2, strideHeight: 1 },
      ...{ strideWidth: 2, dilationHeight: 1, dilationWidth: 1, padTop: 0, padLeft: 1, padBottom: 0, padRight: 1 },
    };
    fc.assert(
      fc.property(fc.array(word, { minLength: 4, maxLength: 4 }), (x) => {
        const greater = x[1] > x[2] ? x[1] : x[2];
        expect(whole(pool(halves(x), window, true))).toEqual([x[0], greater, x[3]]);
        expect(whole(pool(halves(x), window, false))).toEqual([x[0], BigInt.asIntN(64, x[1] + x[2]), x[3]]);
      }),
    );
  });
});
