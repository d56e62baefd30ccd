import type { Constant } from "../onnx/tensor-values.js";
import { product } from "./operator.js";

/** The shape that two shapes broadcast to as in NumPy, or undefined. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const result: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    result.push(x === 1 ? y : x);
  }
  return result;
}

/** The constant's value for each element of `shape`, or undefined where it does not broadcast to exactly that shape. */
export function broadcastTo(constant: Constant, shape: readonly number[]): Float64Array | undefined {
  const common = broadcastShape(constant.dims, shape);
  if (common === undefined || common.length !== shape.length || common.some((dim, i) => dim !== shape[i]))
    return undefined;
  const dims = [...new Array<number>(shape.length - constant.dims.length).fill(1), ...constant.dims];
  const strides = dims.map((dim, i) => (dim === 1 ? 0 : product(dims.slice(i + 1))));
  const values = new Float64Array(product(shape));
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let i = 0; i < values.length; i++) {
    values[i] = constant.values[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return values;
}
