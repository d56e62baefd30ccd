import { decode } from "fast-png";
import { datasetError, type Dataset } from "./dataset.js";

/** A PNG as one record [1, channels, height, width], grey or RGB, alpha dropped; 16-bit samples are scaled to 0..255. */
export function parsePng(file: Uint8Array, source: string): Dataset {
  let image: ReturnType<typeof decode>;
  try {
    image = decode(file);
  } catch {
    throw datasetError(source, "is not a readable PNG file", "Open it in an image viewer to check it.");
  }
  if (image.palette) throw datasetError(source, "uses a palette", "Convert it to grey or RGB.");
  const colours = image.channels >= 3 ? 3 : 1;
  const area = image.width * image.height;
  const scale = image.depth === 16 ? 255 / 65535 : image.depth < 8 ? 255 / (2 ** image.depth - 1) : 1;
  const values = new Float64Array(colours * area);
  for (let c = 0; c < colours; c++)
    for (let i = 0; i < area; i++) values[c * area + i] = image.data[i * image.channels + c] * scale;
  return { shape: [1, colours, image.height, image.width], values, kind: "bytes", source };
}
