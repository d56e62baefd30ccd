import { datasetError, type Dataset } from "./dataset.js";

type Reader = (view: DataView, at: number, little: boolean) => number;
const READERS: Record<string, { bytes: number; read: Reader }> = {
  f4: { bytes: 4, read: (v, at, le) => v.getFloat32(at, le) },
  f8: { bytes: 8, read: (v, at, le) => v.getFloat64(at, le) },
  i1: { bytes: 1, read: (v, at) => v.getInt8(at) },
  i2: { bytes: 2, read: (v, at, le) => v.getInt16(at, le) },
  i4: { bytes: 4, read: (v, at, le) => v.getInt32(at, le) },
  i8: { bytes: 8, read: (v, at, le) => Number(v.getBigInt64(at, le)) },
  u1: { bytes: 1, read: (v, at) => v.getUint8(at) },
  u2: { bytes: 2, read: (v, at, le) => v.getUint16(at, le) },
  u4: { bytes: 4, read: (v, at, le) => v.getUint32(at, le) },
};

/** NumPy's .npy, versions 1 to 3, C order, numbers. Values are taken as they are. */
export function parseNpy(file: Uint8Array, source: string): Dataset {
  const damaged = (why: string, hint = "Save it again with numpy.save.") => datasetError(source, why, hint);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.byteLength < 12 || Buffer.from(file.subarray(1, 6)).toString("latin1") !== "NUMPY")
    throw damaged("is not an NPY file");
  const wide = view.getUint8(6) >= 2;
  const headerAt = wide ? 12 : 10;
  const start = headerAt + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = Buffer.from(file.subarray(headerAt, start)).toString("utf8");
  const [, order, code] = /'descr':\s*'([<>|=])([a-z]\d)'/.exec(header) ?? [];
  const type = READERS[code];
  const dims = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (!type || dims === undefined)
    throw damaged("holds a type that is not a plain number", "Convert it with array.astype('float64').");
  if (/'fortran_order':\s*True/.test(header))
    throw damaged("is in Fortran order", "Save numpy.ascontiguousarray(array).");
  const shape = dims
    .split(",")
    .filter((d) => d.trim())
    .map(Number);
  const count = shape.reduce((a, b) => a * b, 1);
  if (!count || file.byteLength - start !== count * type.bytes)
    throw damaged(`is cut short: ${count * type.bytes} bytes announced, ${file.byteLength - start} found`);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = type.read(view, start + i * type.bytes, order !== ">");
  return { shape: shape.length > 1 ? shape : [1, count], values, kind: "real", source };
}
