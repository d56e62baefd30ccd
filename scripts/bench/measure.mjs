// One network: clinic A publishes it, both sign, clinic B predicts one image per job through the SDK.
import { cost } from "../../libs/plan/dist/index.js";
import { Parley } from "../../libs/sdk/dist/index.js";
import { loadImages } from "../demo/images.mjs";
import { agree, plaintext } from "../demo/network.mjs";
import { progress } from "./progress.mjs";
import { quantiles } from "./statistics.mjs";
import { preparedBefore, untilStocked } from "./stock.mjs";

const IMAGES = 200;

/** @param counts runs that warm up, and runs that are measured */
export async function measure(system, name, { warmUp, runs }, say) {
  const [a, b] = ["clinic-a", "clinic-b"].map((id) => Parley.connect(system.organisations.get(id).profile));
  try {
    say(`network ${name}: clinic-a publishes it, both sign an agreement ...`);
    const asset = await agree(a, b, name, warmUp + runs);
    const agreement = (await b.agreements.list()).find((g) => g.assetId === asset.id).id;
    const plain = await plaintext(name, asset);
    const images = loadImages(Math.min(IMAGES, warmUp + runs)).map(({ pixels }) => ({
      pixels,
      logits: plain.logits(pixels),
    }));
    const done = [];
    const show = progress(`network ${name}`, warmUp + runs);
    let offlineMs = 0;
    for (let i = 0; i < warmUp + runs; i++) {
      await untilStocked(b, agreement, i, offlineMs);
      const run = await predict(b, asset, images[i % images.length]);
      offlineMs = run.offlineMs;
      done.push(run);
      show(i + 1);
    }
    const measured = done.slice(warmUp);
    const declared = cost(plain.model.plan, 1).online;
    return {
      network: name,
      batch: 1,
      link: "loopback",
      runs,
      equal: done.every((r) => r.equal),
      asDeclared: done.every(
        (r) => r.messages === declared.messages && r.p1ToP0 === declared.p1ToP0 && r.p0ToP1 === declared.p0ToP1,
      ),
      foundPrepared: await preparedBefore({ a, b }, agreement, measured),
      onlineMs: quantiles(measured.map((r) => r.onlineMs)),
      bindMs: quantiles(measured.map((r) => r.bindMs)),
      offlineMs: { p1: quantiles(measured.map((r) => r.offlineMs)) },
      submitToResultMs: quantiles(measured.map((r) => r.submitToResultMs)),
      plaintextMs: quantiles(await timePlaintext(plain, images, warmUp, runs)),
      messages: measured[0].messages,
      bytes: { p1ToP0: measured[0].p1ToP0, p0ToP1: measured[0].p0ToP1 },
    };
  } finally {
    a.close();
    b.close();
  }
}

async function predict(parley, asset, image) {
  const values = Float64Array.from(image.pixels);
  const dataset = { shape: [1, 28, 28], values, kind: "bytes", source: "an MNIST image" };
  const job = parley.createJob({ operation: "predict", asset, dataset, params: { security: "smpc" } });
  const submittedAt = Date.now();
  const started = performance.now();
  await job.submit();
  const submitToResultMs = performance.now() - started;
  if (!job.success) throw job.error ?? new Error(`job ${job.id} is ${job.state}`);
  const [logits] = job.result.logits;
  const t = job.timings;
  const ms = (micros) => Number(micros) / 1000;
  return {
    job: job.id,
    submittedAt,
    equal: logits.length === image.logits.length && logits.every((v, i) => v === image.logits[i]),
    submitToResultMs,
    onlineMs: ms(t.onlineMicros),
    bindMs: ms(t.bindMicros),
    offlineMs: ms(t.offlineMicros),
    messages: t.messages,
    p1ToP0: Number(t.bytesP1ToP0),
    p0ToP1: Number(t.bytesP0ToP1),
  };
}

/** ONNX Runtime in floating point, one thread, in this process. */
async function timePlaintext(plain, images, warmUp, runs) {
  const times = [];
  for (let i = 0; i < warmUp + runs; i++) {
    const { pixels } = images[i % images.length];
    const started = performance.now();
    await plain.probabilities(pixels);
    times.push(performance.now() - started);
  }
  return times.slice(warmUp);
}
