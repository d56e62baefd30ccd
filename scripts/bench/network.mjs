// One of the networks of the literature with random weights: its plan, inputs with their right results, and what it costs
// in the clear.
import { randomInt } from "node:crypto";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { evaluateFixedPoint, importOnnx } from "../../libs/model/dist/index.js";
import { boundsOf, cost, cutRuns, encodeInput } from "../../libs/plan/dist/index.js";
import { randomNetwork } from "../../libs/testing/dist/index.js";

const UNIT = 2 ** 32;

export function loadNetwork(name) {
  const { onnx, inputSchema, inputShape } = randomNetwork(name);
  return { name, onnx, inputShape, ...importOnnx(onnx, { inputSchema }) };
}

/** `records` random records within what the plan admits, as real values. */
function randomValues({ plan, inputShape }, records) {
  const size = inputShape.reduce((a, b) => a * b, 1);
  return Float64Array.from({ length: records * size }, (_, i) => {
    const [lo, hi] = boundsOf(plan.input.schema, i % size);
    return lo + ((hi - lo) * randomInt(UNIT)) / UNIT;
  });
}

/** A batch as its runs: for each the scaled integers that go in and those that must come out; and the values themselves. */
export function makeSample(network, batch) {
  const { plan, weights } = network;
  const values = randomValues(network, batch);
  const size = values.length / batch;
  let done = 0;
  const runs = cutRuns(batch, plan.maxRecords).map((records) => {
    const input = encodeInput(plan, values.subarray(done * size, (done += records) * size), records);
    return { records, input, expected: evaluateFixedPoint(plan, weights, input, records) };
  });
  return { values, runs };
}

/** What the plan declares for a batch: online messages and bytes, bytes of the dealer, comparisons. */
export function declaredFor({ plan }, batch) {
  const sum = { messages: 0, p1ToP0: 0, p0ToP1: 0, dealerToP0: 0, dealerToP1: 0, comparisons: 0 };
  for (const records of cutRuns(batch, plan.maxRecords)) {
    const { online, offline, comparisons } = cost(plan, records);
    const { dealerToP0, dealerToP1 } = offline;
    for (const [key, value] of Object.entries({ ...online, dealerToP0, dealerToP1, comparisons })) sum[key] += value;
  }
  return sum;
}

/** The network in floating point in ONNX Runtime, one thread; the returned function runs a batch once and gives milliseconds. */
export async function floatTimer({ onnx, inputShape }, values, batch) {
  const session = await InferenceSession.create(onnx, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const tensor = new Tensor("float32", Float32Array.from(values), [batch, ...inputShape]);
  return async () => {
    const started = performance.now();
    await session.run({ [session.inputNames[0]]: tensor });
    return performance.now() - started;
  };
}
