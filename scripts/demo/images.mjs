// The 200 MNIST test images that lie beside the example models.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../dependencies.mjs";

const folder = join(root, "examples/mnist");
const SIZE = 28 * 28;

export const modelFile = (name) => join(folder, `${name.toLowerCase()}.onnx`);

export function loadImages(count) {
  const pixels = readFileSync(join(folder, "test-images.idx3-ubyte")).subarray(16);
  const labels = readFileSync(join(folder, "test-labels.idx1-ubyte")).subarray(8);
  return Array.from({ length: count }, (_, i) => ({
    pixels: pixels.subarray(i * SIZE, (i + 1) * SIZE),
    label: labels[i],
  }));
}

const SHADES = " .:-=+*#%@";

/** 14 lines of 28 characters: two rows of pixels per line. */
export function draw(pixels) {
  return Array.from({ length: 14 }, (_, row) =>
    Array.from({ length: 28 }, (_, x) => {
      const mean = (pixels[2 * row * 28 + x] + pixels[(2 * row + 1) * 28 + x]) / 2;
      return SHADES[Math.min(9, Math.floor((mean / 256) * 10))];
    }).join(""),
  );
}
