import { PlanError } from "./error.js";
import { sizeOf, type Plan } from "./plan.js";

export interface DecodedOutput {
  /** Per record: real values, after the output's head. */
  readonly values: number[][];
  /** Per record: the revealed integers, decimal. */
  readonly logits: string[][];
}

/**
 * The client's last step, in the clear: integers to real values, then softmax, its logarithm or sigmoid where the plan says so.
 * @param logits revealed integers, sign-extended, record by record
 * @throws PlanError WRONG_SHAPE
 */
export function decodeOutput(plan: Plan, logits: BigInt64Array): DecodedOutput {
  const { tensor, scale, factor, head } = plan.output;
  const { shape } = plan.tensors[tensor];
  const size = sizeOf(plan.tensors[tensor]);
  if (logits.length === 0 || logits.length % size !== 0)
    throw new PlanError("WRONG_SHAPE", `${logits.length} integers are not records of ${size}`, "Decode whole records.");
  const last = shape.at(-1) ?? 1;
  const decoded: DecodedOutput = { values: [], logits: [] };
  for (let at = 0; at < logits.length; at += size) {
    const integers = Array.from(logits.subarray(at, at + size));
    const reals = integers.map((integer) => Number(integer) * 2 ** -scale * factor);
    decoded.logits.push(integers.map(String));
    decoded.values.push(applyHead(head, reals, last));
  }
  return decoded;
}

function applyHead(head: Plan["output"]["head"], reals: number[], last: number): number[] {
  if (head === "none") return reals;
  if (head === "sigmoid") return reals.map((x) => 1 / (1 + Math.exp(-x)));
  const result: number[] = [];
  for (let at = 0; at < reals.length; at += last) {
    const row = reals.slice(at, at + last);
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const powers = row.map((x) => Math.exp(x - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    row.forEach((x, i) => result.push(head === "softmax" ? powers[i] / sum : x - most - Math.log(sum)));
  }
  return result;
}
