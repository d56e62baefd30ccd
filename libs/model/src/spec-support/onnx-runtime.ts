import { decodeOutput, encodeInput, sizeOf } from "@parley/plan";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { evaluateFixedPoint } from "../evaluate/evaluate-fixed-point.js";
import { importOnnx, type ImportOptions, type Model } from "../import-onnx.js";
import { randomValues } from "./random-values.js";

/** ONNX Runtime's float result for records of a shape. */
export async function runtimeOutput(onnx: Uint8Array, input: Float64Array, dims: readonly number[]): Promise<number[]> {
  const session = await InferenceSession.create(onnx, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const feeds = { [session.inputNames[0]]: new Tensor("float32", Float32Array.from(input), dims) };
  const { data } = (await session.run(feeds))[session.outputNames[0]];
  await session.release();
  if (!(data instanceof Float32Array)) throw new TypeError("expected floats");
  return Array.from(data);
}

export interface Comparison {
  readonly model: Model;
  readonly ours: number[];
  readonly runtime: number[];
  /** Largest difference of an output value. */
  readonly difference: number;
}

/** Runs a file both ways on the same values. */
export async function compareWithRuntime(
  onnx: Uint8Array,
  input: Float64Array,
  records: number,
  options: ImportOptions,
): Promise<Comparison> {
  const model = importOnnx(onnx, options);
  const dims = [records, ...model.plan.tensors[0].shape];
  const integers = evaluateFixedPoint(model.plan, model.weights, encodeInput(model.plan, input, records), records);
  const ours = decodeOutput(model.plan, integers).values.flat();
  const runtime = await runtimeOutput(onnx, input, dims);
  if (runtime.length !== ours.length)
    throw new TypeError(`ONNX Runtime gives ${runtime.length} values, we give ${ours.length}`);
  const difference = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - runtime[i])), 0);
  return { model, ours, runtime, difference };
}

/** Random records in [-1, 1] for a file; see {@link compareWithRuntime}. */
export function compareOnRandom(onnx: Uint8Array, records = 3): Promise<Comparison> {
  const inputSchema = { lo: -1, hi: 1 };
  const size = sizeOf(importOnnx(onnx, { inputSchema }).plan.tensors[0]);
  return compareWithRuntime(onnx, randomValues(records * size, -1, 1), records, { inputSchema });
}
