// One network, one batch, one link: latency with its floor and the clear beside it, offline work, throughput, memory.
import { setTimeout as pause } from "node:timers/promises";
import { cutRuns } from "../../libs/plan/dist/index.js";
import { declaredFor, floatTimer, makeSample } from "./network.mjs";
import { productsTimer } from "./products.mjs";
import { startProgress } from "./progress.mjs";
import { median, ms, quantiles, sum } from "./statistics.mjs";

/** A worker serves for days: most code is compiled only after some hundred runs. */
const WARM_UP = { runs: 300, ms: 12_000 };
const FIT_MS = 60_000;
/** Never fewer runs than this; a batch whose runs take seconds each has few. */
const LEAST = 20;
const LEAST_OF_LONG = 5;
const LONG_MS = 5_000;
/** Prepared runs are held up to so many bytes of correlations at P1, and so many batches. */
const HOLD_BYTES = 96 << 20;
const HOLD_BATCHES = 4;
/** Inputs that are used in turn. Their right results are computed before. */
const SAMPLES = 8;
const SAMPLE_RECORDS = 128;
const SUSTAINED_MS = 5_000;
/** Fewer runs are a shorter measurement in everything. */
const STEADY_MS_PER_RUN = 20;
const PROFILE_MS = 3_000;
/** Streams at steady state: one runs, the others prepare. */
const STREAMS = 3;

export async function measure(stage, network, { batch, link, runs, quick, profile }) {
  const samples = Array.from({ length: Math.max(1, Math.min(SAMPLES, Math.floor(SAMPLE_RECORDS / batch))) }, () =>
    makeSample(network, batch),
  );
  const sizes = cutRuns(batch, network.plan.maxRecords);
  const ofRuns = { link, runs: sizes, samples: samples.map((sample) => sample.runs), holdBytes: HOLD_BYTES };
  const clear = { float: await floatTimer(network, samples[0].values, batch), products: productsTimer(network, batch) };
  const cast = await stage.cast(network, ofRuns);
  let figures;
  try {
    const name = `${network.name}, batch ${batch}, ${link}`;
    const series = await runSeries(cast, clear, samples.length, { name, runs, warmUp: quick ? 2 : WARM_UP.runs });
    const steadyMs = Math.max(200, Math.min(SUSTAINED_MS, STEADY_MS_PER_RUN * runs));
    const sustained = await cast.p1.call("sustain", { ms: steadyMs, streams: STREAMS });
    const peaks = await usageOf(cast);
    figures = report(network, { batch, link }, series, sustained, peaks);
    if (profile) figures.idleCpuMsPerSecond = await idleUse(cast);
  } finally {
    await cast.stop();
  }
  if (profile) figures.kernelMs = await profileKernels(stage, network, ofRuns, samples.length);
  return figures;
}

/** Rounds of: the clear; prepare some batches; run each, with its floor after it. */
async function runSeries(cast, clear, samples, { name, runs, warmUp }) {
  const bar = startProgress(name, runs, "runs");
  const series = { runs: [], dry: [], float: [], products: [], prepared: 0, prepareMs: 0, cpu: {} };
  let started = performance.now();
  let warming = true;
  for (let done = 0, used = 0; ;) {
    for (let i = 0; i < HOLD_BATCHES; i++) {
      series.float.push(await clear.float());
      series.products.push(clear.products());
    }
    const before = await usageOf(cast);
    const { records, ms: took } = await cast.p1.call("prepare", { count: HOLD_BATCHES });
    const after = await usageOf(cast);
    series.prepared += records;
    series.prepareMs += took;
    for (const key of Object.keys(after))
      series.cpu[key] = (series.cpu[key] ?? 0) + after[key].cpuMs - before[key].cpuMs;
    for (let i = 0; i < HOLD_BATCHES; i++) {
      const { dryMs, ...run } = await cast.p1.call("runAndDry", { sample: used++ % samples });
      series.runs.push(run);
      series.dry.push(dryMs);
      done++;
      const elapsed = performance.now() - started;
      if (warming && (done >= warmUp || elapsed > WARM_UP.ms)) {
        // What was measured so far is forgotten, but for whether it was right.
        series.wrong = series.runs.filter((run) => !run.equal).length;
        for (const kept of ["runs", "dry", "float", "products"]) series[kept] = [];
        Object.assign(series, { prepared: 0, prepareMs: 0, cpu: {} });
        [warming, done, started] = [false, 0, performance.now()];
        break;
      }
      bar.show(warming ? 0 : done);
      const least = Math.min(runs, elapsed / done > LONG_MS ? LEAST_OF_LONG : LEAST);
      if (!warming && (done >= runs || (elapsed > FIT_MS && done >= least))) {
        bar.end(done);
        return series;
      }
      if (elapsed > WARM_UP.ms) break; // long batches are prepared one by one
    }
  }
}

const usageOf = async ({ dealer, p0, p1 }) => ({
  dealer: await dealer.call("usage"),
  p0: await p0.call("usage"),
  p1: await p1.call("usage"),
});

/** CPU milliseconds in a second in which nothing runs, with the streams open. */
async function idleUse(cast) {
  await pause(200);
  const before = await usageOf(cast);
  await pause(1000);
  const after = await usageOf(cast);
  return Object.fromEntries(Object.keys(after).map((key) => [key, ms(after[key].cpuMs - before[key].cpuMs)]));
}

function report(network, { batch, link }, series, sustained, peaks) {
  const declared = declaredFor(network, batch);
  const [first] = series.runs;
  const online = series.runs.map((run) => run.onlineMs);
  const offlineMs = Object.fromEntries(
    Object.entries(series.cpu).map(([key, cpu]) => [key, ms((cpu / series.prepared) * batch)]),
  );
  const [hops, products] = [median(series.dry), median(series.products)];
  const perSecond = (records, took) => Math.round((records / took) * 1e6) / 1000;
  return {
    network: network.name,
    batch,
    link,
    runs: series.runs.length,
    equal: series.wrong === 0 && sustained.equal && series.runs.every((run) => run.equal),
    asDeclared: series.runs.every((run) =>
      ["messages", "p1ToP0", "p0ToP1"].every((count) => run[count] === declared[count]),
    ),
    onlineMs: quantiles(online),
    bindMs: quantiles(series.runs.map((run) => run.bindMs)),
    floorMs: ms(hops + products),
    floor: { messagesMs: ms(hops), productsMs: ms(products) },
    ratioToFloor: ms(median(online) / (hops + products)),
    plaintextMs: ms(median(series.float)),
    messages: first.messages,
    bytes: { p1ToP0: first.p1ToP0, p0ToP1: first.p0ToP1 },
    offlineMs,
    prepareMs: ms((series.prepareMs / series.prepared) * batch),
    dealerBytes: { p0: declared.dealerToP0, p1: declared.dealerToP1 },
    correlations: {
      perRun: declared.comparisons,
      perSecond: Math.round((declared.comparisons / batch) * (sustained.records / sustained.ms) * 1000),
      perDealerSecond: Math.round((declared.comparisons / offlineMs.dealer) * 1000),
    },
    recordsPerSecond: {
      online: perSecond(batch * online.length, sum(online)),
      sustained: perSecond(sustained.records, sustained.ms),
    },
    allWorkMs: ms((sustained.ms / sustained.records) * batch),
    peakRssMiB: Object.fromEntries(Object.entries(peaks).map(([key, { rssMiB }]) => [key, Math.round(rssMiB)])),
  };
}

/** Milliseconds per run in each kind of kernel at each party, in processes that run with clocks and are measured for nothing else. */
async function profileKernels(stage, network, ofRuns, samples) {
  const cast = await stage.cast(network, { ...ofRuns, kernels: true });
  try {
    for (const ms of [PROFILE_MS / 3, PROFILE_MS]) {
      for (const end = performance.now() + ms; performance.now() < end;) {
        await cast.p1.call("prepare", { count: HOLD_BATCHES });
        for (let i = 0; i < HOLD_BATCHES; i++) await cast.p1.call("run", { sample: i % samples });
      }
      await pause(20);
      const [p0, p1] = [await cast.p0.call("kernels"), await cast.p1.call("kernels")];
      if (ms === PROFILE_MS) return { p0, p1 };
    }
  } finally {
    await cast.stop();
  }
}
