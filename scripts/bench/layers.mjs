// One layer of each kind as a network of its own, run by both parties in one process over a channel in memory.
import { PlanBuilder } from "../../libs/testing/dist/engine/plan-builder.js";
import { maskModel, openSessions } from "../../libs/testing/dist/engine/run-in-memory.js";
import { cost, sizeOf } from "../../libs/plan/dist/index.js";
import { median } from "./statistics.mjs";
import { short } from "./tables.mjs";

const RUNS = 15;
const WARM_UP = 5;
const LAYERS = [
  ["fully connected 784 to 128", () => new PlanBuilder([784]).dense(128)],
  ["convolution 5x5, 1 to 16, 28x28", () => new PlanBuilder([1, 28, 28]).conv(16, 5)],
  ["convolution 5x5, 20 to 50, 12x12", () => new PlanBuilder([20, 12, 12]).conv(50, 5)],
  ["ReLU of 8,192 behind a layer of one input each", () => new PlanBuilder([8, 32, 32]).conv(8, 1).relu(16)],
  ["max pool 2x2 of 8 x 32 x 32", () => new PlanBuilder([8, 32, 32]).conv(8, 1).maxPool(2)],
  ["sum pool 2x2 of 8 x 32 x 32", () => new PlanBuilder([8, 32, 32]).conv(8, 1).sumPool(2)],
];

/** Rows of the table. */
export async function measureLayers() {
  const rows = [];
  for (const [name, build] of LAYERS) {
    const { plan, weights } = build().build(40);
    const model = await maskModel(plan, weights);
    for (const records of [1, 32]) {
      const [online, prepare] = [[], []];
      for (let i = 0; i < WARM_UP + RUNS; i++) {
        const took = await runOnce(model, records);
        online.push(took.online);
        prepare.push(took.prepare);
      }
      const shown = [online, prepare].map((times) => short(median(times.slice(WARM_UP))));
      rows.push([name, records, ...shown, cost(plan, records).comparisons]);
    }
    model.dealing.destroy();
  }
  return rows;
}

async function runOnce(model, records) {
  const { plan } = model;
  const input = BigInt64Array.from({ length: records * sizeOf(plan.tensors[0]) }, (_, i) => BigInt(i % 251));
  const started = performance.now();
  const { server, client, channels } = openSessions(model, records);
  await Promise.all([server.prepare(), client.prepare()]);
  const prepared = performance.now();
  await Promise.all([client.run(input), server.run(() => undefined)]);
  const done = performance.now();
  channels[0].close();
  return { prepare: prepared - started, online: done - prepared };
}
