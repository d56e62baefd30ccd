import { describe, expect, it } from "vitest";
import { parseIdx } from "./idx.js";

/** Magic number, sizes and data, all big-endian. */
function idx(type: number, shape: readonly number[], data: Buffer): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.set([0, 0, type, shape.length]);
  shape.forEach((size, i) => head.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([head, data]);
}

const view = (bytes: number, write: (data: DataView) => void) => {
  const data = new DataView(new ArrayBuffer(bytes));
  write(data);
  return Buffer.from(data.buffer);
};

describe("parseIdx", () => {
  it("reads unsigned bytes as pixels", () => {
    const read = parseIdx(idx(0x08, [2, 1, 2], Buffer.from([0, 127, 128, 255])), "digits");
    expect(read).toMatchObject({ shape: [2, 1, 2], kind: "bytes", source: "digits" });
    expect([...read.values]).toEqual([0, 127, 128, 255]);
  });

  it.each([
    ["signed bytes", 0x09, Buffer.from([0xff, 0x01]), [-1, 1]],
    ["16-bit integers", 0x0b, view(4, (d) => (d.setInt16(0, -300), d.setInt16(2, 300))), [-300, 300]],
    ["32-bit integers", 0x0c, view(8, (d) => (d.setInt32(0, -70000), d.setInt32(4, 1))), [-70000, 1]],
    ["floats", 0x0d, view(8, (d) => (d.setFloat32(0, 0.5), d.setFloat32(4, -2))), [0.5, -2]],
    ["doubles", 0x0e, view(16, (d) => (d.setFloat64(0, 0.1), d.setFloat64(8, -2))), [0.1, -2]],
  ])("takes %s as they are", (_, type, data, expected) => {
    const read = parseIdx(idx(type, [2, 1], data), "x");
    expect(read.kind).toBe("real");
    expect([...read.values]).toEqual(expected);
  });

  const whole = idx(0x08, [2, 2], Buffer.from([1, 2, 3, 4]));
  it.each<[string, Uint8Array, string]>([
    ["cut data", whole.subarray(0, -1), "4 bytes announced, 3 found"],
    ["trailing data", Buffer.concat([whole, whole]), "4 bytes announced, 20 found"],
    ["a cut header", whole.subarray(0, 10), "the header is wrong"],
    ["a cut magic number", whole.subarray(0, 3), "the magic number is wrong"],
    ["an unknown type", idx(0x0a, [1], Buffer.from([1])), "the header is wrong"],
    ["no dimensions", idx(0x08, [], Buffer.from([1])), "the header is wrong"],
    ["no records", idx(0x08, [0, 4], Buffer.alloc(0)), "0 bytes announced"],
  ])("refuses %s", (_, file, message) => {
    expect(() => parseIdx(file, "digits")).toThrow(message);
  });
});
