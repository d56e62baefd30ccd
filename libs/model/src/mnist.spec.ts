import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compareWithRuntime } from "./spec-support/onnx-runtime.js";

const example = (file: string): Buffer => readFileSync(new URL(`../../../examples/mnist/${file}`, import.meta.url));
const IMAGES = 200;
const CLASSES = 10;
const IDX_HEADER = 16;

const argmax = (row: readonly number[]): number => row.indexOf(Math.max(...row));

describe("the MNIST example networks on 200 test images", () => {
  const images = Float64Array.from(example("test-images.idx3-ubyte").subarray(IDX_HEADER), (byte) => byte / 255);

  it.each(["a", "b", "c"])("%s: labels of ONNX Runtime, probabilities within 0.00005", async (name) => {
    expect(images).toHaveLength(IMAGES * 784);
    const compared = await compareWithRuntime(example(`${name}.onnx`), images, IMAGES, {
      inputSchema: { lo: 0, hi: 1 },
    });
    const label = (values: readonly number[], i: number): number =>
      argmax(values.slice(i * CLASSES, (i + 1) * CLASSES));
    const indices = Array.from({ length: IMAGES }, (_, i) => i);
    expect(compared.model.plan.output.head).toBe("softmax");
    expect(indices.map((i) => label(compared.ours, i))).toEqual(indices.map((i) => label(compared.runtime, i)));
    expect(compared.difference).toBeLessThanOrEqual(0.00005);
  });
});
