// From job.submit() to job.result: a warm system of all services, on PostgreSQL and Redis that both write to the disk before
// they answer.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Parley } from "../../libs/sdk/dist/index.js";
import { startTestPostgres } from "../../libs/service-kit/dist/testing/index.js";
import { startSystem } from "../../libs/testing/dist/system/index.js";
import { loadImages } from "../demo/images.mjs";
import { agree, plaintext } from "../demo/network.mjs";
import { bringRedis } from "../redis.mjs";
import { startProgress } from "./progress.mjs";
import { configureRedis } from "./redis-setting.mjs";
import { ms, quantiles } from "./statistics.mjs";

const NETWORKS = ["A", "C"];
const IMAGES = 100;
/** Less leaves the processes on code that is not compiled yet. */
const WARM_UP = 200;
const FIT_MS = 30_000;
const LEAST = 20;
const IN_FLIGHT = 16;
/** Jobs with 16 in flight, for one job alone. */
const FLIGHTS = 4;
/** A worker, the scheduler and the agreement let as many jobs through as are in flight, and some more. */
const ENV = { PARLEY_CONCURRENCY: String(IN_FLIGHT), PARLEY_ATTEMPTS: String(2 * IN_FLIGHT) };
const PREPARED = 64;

/** @returns figures by network: one at a time, and 16 in flight */
export async function measureSubmissions({ options, folder, ending, say }) {
  const { system, database } = await startWarm({ folder: join(folder, "system"), ending, say });
  const results = {};
  const chosen = NETWORKS.filter((name) => !options.measuredNetworks.length || options.measuredNetworks.includes(name));
  for (const name of chosen) results[name] = { ...(await measureNetwork(system, name, options.runs, say)), database };
  return results;
}

/** A system on databases that write to the disk before they answer. */
async function startWarm({ folder, ending, say, env = {} }) {
  process.env.PARLEY_REDIS_SERVER ??= bringRedis();
  const postgres = await startTestPostgres();
  if (postgres) ending.push(() => postgres.stop());
  mkdirSync(folder, { recursive: true });
  const system = await startSystem({
    folder,
    env: { ...ENV, ...env },
    databaseUrl: postgres?.url("postgres"),
    onProgress: (message) => say(`${message} ...`),
  });
  ending.push(() => system.stop());
  await configureRedis(system.redis.url, { appendfsync: "always" });
  return { system, database: postgres ? "PostgreSQL" : "embedded PGlite" };
}

/** A system of its own, with a network and an agreement for so many jobs; `one` submits the next and waits for it. */
export async function openForJobs({ folder, ending, say, env, network, count }) {
  const { system } = await startWarm({ folder, ending, say, env });
  const [a, b] = ["clinic-a", "clinic-b"].map((id) => Parley.connect(system.organisations.get(id).profile));
  const asset = await agree(a, b, network, count, PREPARED);
  const images = await imagesOf(network, asset);
  let submitted = 0;
  return {
    one: () => predictEqual(b, asset, images[submitted++ % images.length]),
    close: () => [a, b].forEach((side) => side.close()),
  };
}

async function imagesOf(network, asset) {
  const plain = await plaintext(network, asset);
  return loadImages(IMAGES).map(({ pixels }) => ({ pixels, logits: plain.logits(pixels) }));
}

async function measureNetwork(system, name, runs, say) {
  const [a, b] = ["clinic-a", "clinic-b"].map((id) => Parley.connect(system.organisations.get(id).profile));
  try {
    say(`network ${name}: clinic-a publishes it, both sign an agreement ...`);
    const asset = await agree(a, b, name, 2 * WARM_UP + (1 + FLIGHTS) * (runs + IN_FLIGHT), PREPARED);
    const images = await imagesOf(name, asset);
    const series = (label, flights, count) =>
      runJobs({ b, asset, images, label: `network ${name}, ${label}` }, flights, count);
    await series("warming up", 1, WARM_UP);
    const alone = await series("one at a time", 1, runs);
    await series("warming up, 16 in flight", IN_FLIGHT, WARM_UP);
    const many = await series("16 in flight", IN_FLIGHT, FLIGHTS * runs);
    return {
      ...quantiles(alone.times),
      runs: alone.times.length,
      equal: alone.equal && many.equal,
      inFlight: {
        ...quantiles(many.times),
        runs: many.times.length,
        jobsPerSecond: ms(many.times.length / many.seconds),
      },
    };
  } finally {
    a.close();
    b.close();
  }
}

/** Jobs of one image each, `flights` at a time, until `count` are done or the time is over. */
async function runJobs({ b, asset, images, label }, flights, count) {
  const bar = startProgress(label, count, "jobs");
  const times = [];
  let equal = true;
  let submitted = 0;
  const started = performance.now();
  const over = () => submitted >= count || (performance.now() - started > FIT_MS && submitted >= LEAST);
  const fly = async () => {
    while (!over()) {
      const done = await predictEqual(b, asset, images[submitted++ % images.length]);
      times.push(done.took);
      equal &&= done.equal;
      bar.show(times.length);
    }
  };
  await Promise.all(Array.from({ length: flights }, fly));
  bar.end(times.length);
  return { times, equal, seconds: (performance.now() - started) / 1000 };
}

/** One job, and whether its result is the plaintext fixed-point one. */
async function predictEqual(parley, asset, { pixels, logits }) {
  const dataset = { shape: [1, 28, 28], values: Float64Array.from(pixels), kind: "bytes", source: "an MNIST image" };
  const job = parley.createJob({ operation: "predict", asset, dataset, params: { security: "smpc" } });
  const started = performance.now();
  await job.submit();
  const took = performance.now() - started;
  if (!job.success) throw job.error ?? new Error(`job ${job.id} is ${job.state}`);
  const [result] = job.result.logits;
  return { took, equal: result.length === logits.length && result.every((value, i) => value === logits[i]) };
}
