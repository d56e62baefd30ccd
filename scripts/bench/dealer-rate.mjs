// What the dealer deals per second on one core, its generator included: the code of its service, without transport.
import { randomBytes } from "node:crypto";
import { Dealing, deriveBatch } from "../../libs/correlation/dist/index.js";

const COUNT = 16_384;
const RECORDS = 8;
const BATCHES = 7;
const GATES = [
  ["ReLU, width 48, shift 16", { width: 48, shift: 16 }],
  ["ReLU, width 32, shift 10", { width: 32, shift: 10 }],
];

/** For each gate: correlations per second, the median of batches. */
export async function measureDealer() {
  const rows = [];
  for (const [name, gate] of GATES) {
    const dealing = new Dealing(planOf(gate), randomBytes(32), randomBytes(32));
    const times = [];
    for (let i = 0; i < 2 * BATCHES; i++) times.push(await dealOnce(dealing));
    dealing.destroy();
    const sorted = times.slice(BATCHES).sort((a, b) => a - b);
    rows.push({ name, perSecond: Math.round((COUNT * RECORDS * 1000) / sorted[BATCHES >> 1]) });
  }
  return rows;
}

async function dealOnce(dealing) {
  const context = { maskId: 32, planDigest: 32, batchId: 16, org0: 32, org1: 32 };
  const fields = Object.fromEntries(Object.entries(context).map(([key, bytes]) => [key, randomBytes(bytes)]));
  const keys = deriveBatch(randomBytes(32), { ...fields, records: RECORDS });
  const started = performance.now();
  let bytes = 0;
  for await (const chunk of dealing.corrections(keys, RECORDS)) bytes += chunk.length;
  if (bytes === 0) throw new Error("nothing was dealt");
  return performance.now() - started;
}

/** Nothing but one ReLU layer. */
const planOf = ({ width, shift }) => ({
  format: "parley.plan.v1",
  layout: 1,
  input: { tensor: 0, schema: { lo: 0, hi: 1 } },
  tensors: [
    { shape: [COUNT], scale: shift, modulus: 64 },
    { shape: [COUNT], scale: 0, modulus: width },
  ],
  steps: [{ op: "relu", name: "relu", gate: "table", input: 0, output: 1, width, shift, share: "offline" }],
  output: { tensor: 1, policy: { kind: "logits" }, width, scale: 0, factor: 1, head: "none" },
  maxRecords: RECORDS,
});
