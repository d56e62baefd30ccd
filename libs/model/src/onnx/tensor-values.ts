import { PlanError } from "@parley/plan";
import type { TensorProto } from "../gen/onnx.js";

/** A constant of the graph: floats, or integers that a double holds exactly. */
export interface Constant {
  readonly dims: readonly number[];
  readonly values: Float64Array;
  readonly integer: boolean;
}

/** onnx.TensorProto.DataType */
const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;
const FLOAT16 = 10;
const DOUBLE = 11;
const EXTERNAL = 1;

const BYTES: ReadonlyMap<number, number> = new Map([
  [FLOAT, 4],
  [INT32, 4],
  [INT64, 8],
  [FLOAT16, 2],
  [DOUBLE, 8],
]);

/** Elements of a constant; more than all weights that a plan may have are refused before anything is allocated. */
const MOST_ELEMENTS = 1 << 28;

/**
 * The values of a TensorProto. @throws PlanError MALFORMED_ONNX or UNSUPPORTED_TENSOR, naming the tensor
 * @param name what messages call the tensor
 */
export function tensorValues(tensor: TensorProto, name: string): Constant {
  const refuse = (reason: string, problem: string, hint: string): never => {
    throw new PlanError(reason, `tensor "${name}" ${problem}`, hint);
  };
  if (tensor.dataLocation === EXTERNAL)
    refuse("UNSUPPORTED_TENSOR", "is stored in another file", "Save the model with its weights in one ONNX file.");
  const size = BYTES.get(tensor.dataType);
  if (size === undefined)
    return refuse(
      "UNSUPPORTED_TENSOR",
      `has the element type ${tensor.dataType}`,
      "Supported: float, double, float16, int32, int64.",
    );
  const dims = tensor.dims.map((dim) => (dim >= 0n && dim <= MOST_ELEMENTS ? Number(dim) : Number.NaN));
  const count = dims.reduce((a, b) => a * b, 1);
  if (!(count <= MOST_ELEMENTS))
    refuse("MALFORMED_ONNX", "has impossible dimensions", "Export the model to ONNX again.");
  const values = tensor.rawData.length > 0 ? rawValues(tensor, size, count) : typedValues(tensor, count);
  if (values === undefined)
    return refuse(
      "MALFORMED_ONNX",
      `does not hold the ${count} elements of its dimensions`,
      "Export the model to ONNX again.",
    );
  const odd = values.findIndex((value) => !Number.isFinite(value));
  if (odd >= 0) refuse("NOT_A_NUMBER", `holds NaN or infinity at element ${odd}`, "Train or export the model again.");
  return { dims, values, integer: tensor.dataType === INT32 || tensor.dataType === INT64 };
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function rawValues(tensor: TensorProto, size: number, count: number): Float64Array | undefined {
  if (tensor.rawData.length !== size * count) return undefined;
  return readValues(view(tensor.rawData), tensor.dataType, count);
}

function readValues(data: DataView, type: number, count: number): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++)
    values[i] =
      type === FLOAT
        ? data.getFloat32(4 * i, true)
        : type === DOUBLE
          ? data.getFloat64(8 * i, true)
          : type === INT32
            ? data.getInt32(4 * i, true)
            : type === INT64
              ? Number(data.getBigInt64(8 * i, true))
              : halfToNumber(data.getUint16(2 * i, true));
  return values;
}

/** The typed fields: floats and doubles are little-endian words; integers, and the bits of halves, are varints. */
function typedValues(tensor: TensorProto, count: number): Float64Array | undefined {
  const type = tensor.dataType;
  if (type === FLOAT || type === DOUBLE) {
    const bytes = type === FLOAT ? tensor.floatData : tensor.doubleData;
    return bytes.length === count * (type === FLOAT ? 4 : 8) ? readValues(view(bytes), type, count) : undefined;
  }
  const bytes = type === INT64 ? tensor.int64Data : tensor.int32Data;
  if (bytes.length < count) return undefined; // a varint has at least one byte
  const values = new Float64Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at === bytes.length || shift > 63n) return undefined;
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) break;
    }
    const integer = Number(BigInt.asIntN(64, value));
    values[i] = type === FLOAT16 ? halfToNumber(integer & 0xffff) : integer;
  }
  return at === bytes.length ? values : undefined;
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
