import { datasetError, type Dataset } from "./dataset.js";

const READERS: Record<number, { bytes: number; read: (view: DataView, at: number) => number }> = {
  0x08: { bytes: 1, read: (view, at) => view.getUint8(at) },
  0x09: { bytes: 1, read: (view, at) => view.getInt8(at) },
  0x0b: { bytes: 2, read: (view, at) => view.getInt16(at) },
  0x0c: { bytes: 4, read: (view, at) => view.getInt32(at) },
  0x0d: { bytes: 4, read: (view, at) => view.getFloat32(at) },
  0x0e: { bytes: 8, read: (view, at) => view.getFloat64(at) },
};

/** IDX (the format of MNIST). Unsigned bytes are pixels; other types are taken as they are. */
export function parseIdx(file: Uint8Array, source: string): Dataset {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const damaged = (why: string) =>
    datasetError(source, `is not a whole IDX file: ${why}`, "Check that the download is complete.");
  if (file.byteLength < 4 || view.getUint16(0) !== 0) throw damaged("the magic number is wrong");
  const type = READERS[view.getUint8(2)];
  const dimensions = view.getUint8(3);
  if (!type || !dimensions || file.byteLength < 4 + 4 * dimensions) throw damaged("the header is wrong");
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const count = shape.reduce((a, b) => a * b, 1);
  const start = 4 + 4 * dimensions;
  if (!count || file.byteLength - start !== count * type.bytes)
    throw damaged(`${count * type.bytes} bytes announced, ${file.byteLength - start} found`);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = type.read(view, start + i * type.bytes);
  return { shape, values, kind: type === READERS[8] ? "bytes" : "real", source };
}
