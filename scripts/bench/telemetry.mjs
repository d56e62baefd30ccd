// What telemetry costs: the same network in two casts, and in two whole systems, one with everything switched on and exported
// to a receiver that takes it, the other with nothing. They take turns in short blocks, so that a noisy moment meets both.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Stage } from "./cast.mjs";
import { growthOf } from "./growth.mjs";
import { loadNetwork, makeSample } from "./network.mjs";
import { startProcess } from "./process-calls.mjs";
import { startProgress } from "./progress.mjs";
import { quantiles } from "./statistics.mjs";

const NETWORK = "A";
const SAMPLES = 8;
const HOLD_BYTES = 96 << 20;
/** Blocks: runs of the engine, or jobs, that follow each other in one cast. */
const BLOCK = { runs: 4, jobs: 4 };
/** Runs take a quarter of a millisecond: more of them for each that is asked for make medians that can be told apart. */
const RUNS_FOR_ONE = 10;
const WARM_UP = { runs: 400, jobs: 200 };
const SIDES = ["on", "off"];

/** @returns figures of both, with and without, and by how much the medians differ */
export async function measureTelemetry({ options, folder, ending, say }) {
  const collector = await startProcess(
    "the collector",
    fileURLToPath(new URL("collector-process.mjs", import.meta.url)),
  );
  ending.push(() => collector.stop());
  const env = {
    on: {
      OTEL_EXPORTER_OTLP_ENDPOINT: await collector.call("endpoint"),
      OTEL_METRIC_EXPORT_INTERVAL: "10000",
      PARLEY_METRICS_LISTEN: "127.0.0.1:0",
    },
    off: { PARLEY_BENCH_STEPS: "off" },
  };
  const online = options.submit ? undefined : await measureOnline({ options, folder, env });
  const submit = options.engine ? undefined : await measureSubmit({ options, folder, ending, say, env });
  if (!Object.values(await collector.call("received")).some((bytes) => bytes > 0))
    throw new Error("nothing was exported: telemetry was not on");
  return { network: NETWORK, ...(online && { online }), ...(submit && { submit }) };
}

/** Blocks of both sides in turn, the first one changing, until `count` of each are measured. */
async function alternate({ name, count, unit, warmUp, size, block }) {
  const all = { on: [], off: [] };
  let equal = true;
  const round = async (keep, i) => {
    for (const side of i % 2 === 0 ? SIDES : SIDES.toReversed()) {
      const done = await block(side, size);
      equal &&= done.every((run) => run.equal);
      if (keep) all[side].push(done.map(({ took }) => took));
    }
  };
  for (let i = 0; i * size < warmUp; i++) await round(false, i);
  const bar = startProgress(name, count, unit);
  for (let i = 0; i * size < count; i++) {
    await round(true, i);
    bar.show((i + 1) * size);
  }
  bar.end(all.on.length * size);
  const [on, off] = SIDES.map((side) => quantiles(all[side].flat()));
  return { on, off, ...growthOf(all.on, all.off), runs: all.on.length * size, equal };
}

async function measureOnline({ options, folder, env }) {
  const network = loadNetwork(NETWORK);
  const samples = Array.from({ length: SAMPLES }, () => makeSample(network, 1));
  const work = { link: "loopback", runs: [1], samples: samples.map(({ runs }) => runs), holdBytes: HOLD_BYTES };
  const casts = {};
  const stages = [];
  try {
    for (const side of SIDES) {
      const home = join(folder, `telemetry-${side}`);
      mkdirSync(home, { recursive: true });
      const stage = await Stage.set(home, { embedded: options.quick });
      stages.push(stage);
      casts[side] = await stage.cast(network, { ...work, env: env[side] });
    }
    let used = 0;
    const block = async (side, size) => {
      const { p1 } = casts[side];
      await p1.call("prepare", { count: size });
      const done = [];
      for (let i = 0; i < size; i++) {
        const { onlineMs, equal } = await p1.call("run", { sample: used++ % SAMPLES });
        done.push({ took: onlineMs, equal });
      }
      return done;
    };
    return await alternate({
      name: `network ${NETWORK}, telemetry on and off`,
      count: options.quick ? options.runs * BLOCK.runs : options.runs * RUNS_FOR_ONE,
      unit: "runs",
      warmUp: options.quick ? BLOCK.runs : WARM_UP.runs,
      size: BLOCK.runs,
      block,
    });
  } finally {
    for (const cast of Object.values(casts)) await cast.stop();
    for (const stage of stages) await stage.close();
  }
}

async function measureSubmit({ options, folder, ending, say, env }) {
  const { openForJobs } = await import("./submit.mjs"); // needs packages that the engine does not
  const warmUp = options.quick ? BLOCK.jobs : WARM_UP.jobs;
  const jobs = {};
  for (const side of SIDES) {
    say(`a system with telemetry ${side} ...`);
    jobs[side] = await openForJobs({
      ...{ folder: join(folder, `system-${side}`), ending, say, env: env[side] },
      ...{ network: NETWORK, count: warmUp + options.runs + 10 * BLOCK.jobs },
    });
  }
  const block = async (side, size) => {
    const done = [];
    for (let i = 0; i < size; i++) done.push(await jobs[side].one());
    return done;
  };
  try {
    return await alternate({
      name: `jobs of network ${NETWORK}, telemetry on and off`,
      count: options.runs,
      unit: "jobs",
      warmUp,
      size: BLOCK.jobs,
      block,
    });
  } finally {
    for (const side of SIDES) jobs[side].close();
  }
}
