// Kernels, the dealer, and one layer of each kind, in one process. Run by `npm run bench -- --micro`.
import { tableGate } from "../../libs/plan/dist/index.js";
import { measureDealing, measureDerivation } from "../../libs/correlation/bench/dealing.mjs";
import { measureKernels } from "../../libs/ring/bench/micro.mjs";
import { measureDealer } from "./dealer-rate.mjs";
import { measureLayers } from "./layers.mjs";
import { grid, short } from "./tables.mjs";

export async function measureParts() {
  measureKernels(tableGate);
  console.log("The dealer, one core, generator included\n");
  const rates = (await measureDealer()).map(({ name, perSecond }) => [name, short(perSecond / 1e6)]);
  console.log(`${grid(["gate", "million correlations/s"], rates)}\n`);
  console.log(`${grid(["from the key to chunks", "million/s and core", "bytes to P1"], await measureDealing())}\n`);
  console.log(`${grid(["a party's own part", "GB/s and core"], await measureDerivation())}\n`);
  console.log("One layer of each kind, both parties in this process, without a network: median of a run\n");
  console.log(grid(["layer", "records", "online ms", "prepare ms", "comparisons"], await measureLayers()));
}
