import { datasetError, type Dataset } from "./dataset.js";

type Reader = (view: DataView, at: number, little: boolean) => number;
const READERS: Record<string, { bytes: number; read: Reader }> = {
  f2: { bytes: 2, read: (v, at, le) => half(v.getUint16(at, le)) },
  f4: { bytes: 4, read: (v, at, le) => v.getFloat32(at, le) },
  f8: { bytes: 8, read: (v, at, le) => v.getFloat64(at, le) },
  i1: { bytes: 1, read: (v, at) => v.getInt8(at) },
  i2: { bytes: 2, read: (v, at, le) => v.getInt16(at, le) },
  i4: { bytes: 4, read: (v, at, le) => v.getInt32(at, le) },
  i8: { bytes: 8, read: (v, at, le) => Number(v.getBigInt64(at, le)) },
  b1: { bytes: 1, read: (v, at) => v.getUint8(at) },
  u1: { bytes: 1, read: (v, at) => v.getUint8(at) },
  u2: { bytes: 2, read: (v, at, le) => v.getUint16(at, le) },
  u4: { bytes: 4, read: (v, at, le) => v.getUint32(at, le) },
  u8: { bytes: 8, read: (v, at, le) => Number(v.getBigUint64(at, le)) },
};

/** NumPy's .npy, versions 1 to 3, both orders, numbers. Values are taken as they are. */
export function parseNpy(file: Uint8Array, source: string): Dataset {
  const damaged = (why: string, hint = "Save it again with numpy.save.") => datasetError(source, why, hint);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.byteLength < 12 || Buffer.from(file.subarray(1, 6)).toString("latin1") !== "NUMPY")
    throw damaged("is not an NPY file");
  const wide = view.getUint8(6) >= 2;
  const headerAt = wide ? 12 : 10;
  const start = headerAt + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (start > file.byteLength) throw damaged("is cut short: its header is not whole");
  const header = Buffer.from(file.subarray(headerAt, start)).toString("utf8");
  const [, order, code] = /'descr':\s*'([<>|=])([a-z]\d)'/.exec(header) ?? [];
  const type = READERS[code];
  const dims = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (!type || dims === undefined)
    throw damaged("holds a type that is not a plain number", "Convert it with array.astype('float64').");
  const shape = dims
    .split(",")
    .filter((d) => d.trim())
    .map(Number);
  const count = shape.reduce((a, b) => a * b, 1);
  if (!count) throw damaged("holds no records", "Save at least one record.");
  if (file.byteLength - start !== count * type.bytes)
    throw damaged(`is cut short: ${count * type.bytes} bytes announced, ${file.byteLength - start} found`);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = type.read(view, start + i * type.bytes, order !== ">");
  const rowMajor = /'fortran_order':\s*True/.test(header) ? fromColumnMajor(values, shape) : values;
  return { shape: shape.length ? shape : [1], values: rowMajor, kind: "real", source };
}

/** Fortran order (first index fastest) to C order (last index fastest). */
function fromColumnMajor(values: Float64Array, shape: readonly number[]): Float64Array {
  const result = new Float64Array(values.length);
  const index = shape.map(() => 0);
  for (const value of values) {
    result[index.reduce((at, i, d) => at * shape[d] + i, 0)] = value;
    for (let d = 0; d < shape.length && ++index[d] === shape[d]; d++) index[d] = 0;
  }
  return result;
}

/** IEEE 754 binary16; DataView reads it only from Node 24 on. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}
