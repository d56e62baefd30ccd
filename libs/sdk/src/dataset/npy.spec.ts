import { describe, expect, it } from "vitest";
import { parseNpy } from "./npy.js";

interface Settings {
  readonly version?: 1 | 2 | 3;
  readonly fortran?: boolean;
}

/** A file as numpy.save writes it. */
function npy(descr: string, shape: readonly number[], data: Buffer, { version = 1, fortran = false }: Settings = {}) {
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': (${dims}), }`;
  const prefix = version === 1 ? 10 : 12;
  const padded = `${text.padEnd(Math.ceil((prefix + text.length + 1) / 64) * 64 - prefix - 1)}\n`;
  const head = Buffer.alloc(prefix);
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  if (version === 1) head.writeUInt16LE(padded.length, 8);
  else head.writeUInt32LE(padded.length, 8);
  return Buffer.concat([head, Buffer.from(padded, "latin1"), data]);
}

const little = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const big = (array: ArrayBufferView & { BYTES_PER_ELEMENT: number }) => {
  const copy = Buffer.from(little(array));
  if (array.BYTES_PER_ELEMENT === 2) return copy.swap16();
  return array.BYTES_PER_ELEMENT === 4 ? copy.swap32() : copy.swap64();
};

const SIGNED = [1, -2, 3, 100];
const UNSIGNED = [0, 1, 200, 255];

describe("parseNpy", () => {
  it.each([
    ["<f4", little(Float32Array.from(SIGNED)), SIGNED],
    [">f4", big(Float32Array.from(SIGNED)), SIGNED],
    ["<f8", little(Float64Array.from([0.1, -2, 3, 1e-3])), [0.1, -2, 3, 1e-3]],
    [">f8", big(Float64Array.from(SIGNED)), SIGNED],
    ["<f2", little(Uint16Array.from([0x3c00, 0xc000, 0x3555, 0x0001])), [1, -2, 1365 / 4096, 2 ** -24]],
    [">f2", big(Uint16Array.from([0x3c00, 0xc000, 0x4200, 0x0000])), [1, -2, 3, 0]],
    ["|i1", little(Int8Array.from(SIGNED)), SIGNED],
    ["<i2", little(Int16Array.from(SIGNED)), SIGNED],
    [">i2", big(Int16Array.from(SIGNED)), SIGNED],
    ["<i4", little(Int32Array.from(SIGNED)), SIGNED],
    [">i4", big(Int32Array.from(SIGNED)), SIGNED],
    ["<i8", little(BigInt64Array.from(SIGNED.map(BigInt))), SIGNED],
    [">i8", big(BigInt64Array.from(SIGNED.map(BigInt))), SIGNED],
    ["|b1", Buffer.from([0, 1, 1, 0]), [0, 1, 1, 0]],
    ["|u1", Buffer.from(UNSIGNED), UNSIGNED],
    ["<u2", little(Uint16Array.from(UNSIGNED)), UNSIGNED],
    [">u2", big(Uint16Array.from(UNSIGNED)), UNSIGNED],
    ["<u4", little(Uint32Array.from(UNSIGNED)), UNSIGNED],
    [">u4", big(Uint32Array.from(UNSIGNED)), UNSIGNED],
    ["<u8", little(BigUint64Array.from(UNSIGNED.map(BigInt))), UNSIGNED],
    [">u8", big(BigUint64Array.from(UNSIGNED.map(BigInt))), UNSIGNED],
  ])("reads %s", (descr, data, expected) => {
    const read = parseNpy(npy(descr, [2, 2], data), "x.npy");
    expect(read).toMatchObject({ shape: [2, 2], kind: "real" });
    expect([...read.values]).toEqual(expected);
  });

  it.each([1, 2, 3] as const)("reads version %i", (version) => {
    expect([...parseNpy(npy("|u1", [4], Buffer.from(UNSIGNED), { version }), "x").values]).toEqual(UNSIGNED);
  });

  it("reads Fortran order as C order", () => {
    // a[i][j][k] = 100 i + 10 j + k of shape (2, 3, 2), first index fastest
    const stored = [0, 100, 10, 110, 20, 120, 1, 101, 11, 111, 21, 121];
    const read = parseNpy(npy("<i2", [2, 3, 2], little(Int16Array.from(stored)), { fortran: true }), "x");
    expect(read.shape).toEqual([2, 3, 2]);
    expect([...read.values]).toEqual([0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]);
  });

  it("keeps infinities and NaN for the model's own check", () => {
    const bits = Uint16Array.from([0x7c00, 0xfc00, 0x7e00]);
    expect([...parseNpy(npy("<f2", [3], little(bits)), "x").values]).toEqual([Infinity, -Infinity, Number.NaN]);
  });

  const whole = npy("<f8", [2, 2], little(Float64Array.from(SIGNED)));
  it.each<[string, Uint8Array, string]>([
    ["cut data", whole.subarray(0, -1), "cut short: 32 bytes announced, 31 found"],
    ["a cut header", whole.subarray(0, 40), "header is not whole"],
    ["a cut prefix", whole.subarray(0, 9), "not an NPY file"],
    ["trailing bytes", Buffer.concat([whole, Buffer.alloc(1)]), "32 bytes announced, 33 found"],
    ["no records", npy("<f8", [0, 4], Buffer.alloc(0)), "no records"],
    ["complex numbers", npy("<c16", [1], Buffer.alloc(16)), "not a plain number"],
    ["objects", npy("|O", [1], Buffer.alloc(8)), "not a plain number"],
    ["strings", npy("<U3", [1], Buffer.alloc(12)), "not a plain number"],
  ])("refuses %s", (_, file, message) => {
    expect(() => parseNpy(file, "x.npy")).toThrow(message);
  });
});
