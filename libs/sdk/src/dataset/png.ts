import { convertIndexedToRgb, decode, type DecodedPng } from "fast-png";
import { datasetError, type Dataset } from "./dataset.js";

/** A PNG as one record [1, channels, height, width]: grey or RGB samples 0..255, alpha dropped, 16-bit samples scaled. A palette of greys counts as grey. */
export function parsePng(file: Uint8Array, source: string): Dataset {
  let image: DecodedPng;
  let samples: ArrayLike<number>;
  try {
    image = decode(file);
    samples = image.palette ? convertIndexedToRgb(image) : image.depth < 8 ? unpack(image) : image.data;
  } catch {
    throw datasetError(source, "is not a readable PNG file", "Open it in an image viewer to check it.");
  }
  const { width, height, depth, palette } = image;
  const area = width * height;
  const stride = samples.length / area; // samples per pixel, alpha included
  const grey = palette ? palette.every(([r, g, b]) => r === g && g === b) : stride < 3;
  const colours = grey ? 1 : 3;
  const largest = palette ? 255 : 2 ** depth - 1;
  const values = new Float64Array(colours * area);
  for (let c = 0; c < colours; c++)
    for (let i = 0; i < area; i++) values[c * area + i] = (samples[i * stride + c] * 255) / largest;
  return { shape: [1, colours, height, width], values, kind: "bytes", source };
}

/** Samples of 1, 2 or 4 bits (grey only), rows padded to whole bytes, highest bits first. */
function unpack({ width, height, depth, data }: DecodedPng): Uint8Array {
  const samples = new Uint8Array(width * height);
  const rowBytes = Math.ceil((width * depth) / 8);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)];
      samples[y * width + x] = (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }
  return samples;
}
