import { encode } from "fast-png";
import { describe, expect, it } from "vitest";
import { parsePng } from "./png.js";

const RED = [255, 0, 0];
const GREEN = [0, 255, 0];

describe("parsePng", () => {
  it("reads grey", () => {
    const read = parsePng(
      encode({ width: 3, height: 2, data: Uint8Array.from([0, 1, 2, 3, 4, 255]), channels: 1 }),
      "x",
    );
    expect(read).toMatchObject({ shape: [1, 1, 2, 3], kind: "bytes" });
    expect([...read.values]).toEqual([0, 1, 2, 3, 4, 255]);
  });

  it("reads RGB channel by channel and drops alpha", () => {
    const rgb = parsePng(encode({ width: 2, height: 1, data: Uint8Array.from([1, 2, 3, 4, 5, 6]), channels: 3 }), "x");
    expect(rgb.shape).toEqual([1, 3, 1, 2]);
    expect([...rgb.values]).toEqual([1, 4, 2, 5, 3, 6]);
    const rgba = Uint8Array.from([1, 2, 3, 9, 4, 5, 6, 9]);
    expect(parsePng(encode({ width: 2, height: 1, data: rgba, channels: 4 }), "x")).toEqual(rgb);
    const greyAlpha = parsePng(encode({ width: 2, height: 1, data: Uint8Array.from([7, 9, 8, 9]), channels: 2 }), "x");
    expect(greyAlpha.shape).toEqual([1, 1, 1, 2]);
    expect([...greyAlpha.values]).toEqual([7, 8]);
  });

  it("scales 16-bit samples to 0..255", () => {
    const data = Uint16Array.from([0, 257, 65535, 1]);
    const { values } = parsePng(encode({ width: 2, height: 2, data, depth: 16, channels: 1 }), "x");
    expect([...values]).toEqual([0, 1, 255, 255 / 65535]);
  });

  it.each([
    [1, [0b10110000, 0b01000000], [255, 0, 255, 0, 255, 0]],
    [2, [0b00011000, 0b11000100], [0, 85, 170, 255, 0, 85]],
    [4, [0x0f, 0x10, 0x20, 0x30], [0, 255, 17, 34, 0, 51]],
  ] as const)("unpacks %i-bit grey, rows padded to bytes", (depth, rows, expected) => {
    const image = encode({ width: 3, height: 2, data: Uint8Array.from(rows), depth, channels: 1 });
    expect([...parsePng(image, "x").values]).toEqual(expected);
  });

  it("reads a palette as RGB, one of greys as grey", () => {
    const data = Uint8Array.from([0, 1, 1, 0]);
    const base = { width: 2, height: 2, data, depth: 8, channels: 1 } as const;
    const colours = parsePng(encode({ ...base, palette: [RED, GREEN] }), "x");
    expect(colours.shape).toEqual([1, 3, 2, 2]);
    expect([...colours.values]).toEqual([255, 0, 0, 255, 0, 255, 255, 0, 0, 0, 0, 0]);
    const greys = parsePng(
      encode({
        ...base,
        palette: [
          [9, 9, 9],
          [200, 200, 200],
        ],
      }),
      "x",
    );
    expect(greys.shape).toEqual([1, 1, 2, 2]);
    expect([...greys.values]).toEqual([9, 200, 200, 9]);
  });

  it("refuses a file that is cut short", () => {
    const whole = encode({ width: 3, height: 2, data: Uint8Array.from([0, 1, 2, 3, 4, 5]), channels: 1 });
    for (const end of [20, whole.length - 20])
      expect(() => parsePng(whole.subarray(0, end), "scan.png")).toThrow("scan.png: is not a readable PNG file");
  });
});
