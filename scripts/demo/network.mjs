// Publishes one network at clinic A, signs an agreement, and predicts images of clinic B one job each, as a user would.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { encodeInput, planDigest } from "../../libs/plan/dist/index.js";
import { encodeWeights, evaluateFixedPoint, importOnnx } from "../../libs/model/dist/index.js";
import { Parley } from "../../libs/sdk/dist/index.js";
import { draw, loadImages, modelFile } from "./images.mjs";
import { maximum, summarise } from "./statistics.mjs";

const SCHEMA = { lo: 0, hi: 1 };
const YEAR = 365 * 24 * 3600 * 1000;

export async function runNetwork(system, name, count, show, say) {
  const [a, b] = ["clinic-a", "clinic-b"].map((id) => Parley.connect(system.organisations.get(id).profile));
  try {
    say(`network ${name}: clinic-a publishes it, both sign an agreement ...`);
    const asset = await agree(a, b, name, count);
    const plain = await plaintext(name, asset);
    const runs = [];
    for (const image of loadImages(count)) runs.push(await predict(b, asset, image, plain, name, show));
    const bytes = plain.input(loadImages(1)[0].pixels);
    return {
      summary: summarise(name, runs),
      secrets: {
        name,
        input: Buffer.from(bytes.buffer),
        weights: Buffer.from(plain.model.weights[0].weights.buffer),
        encodedWeights: Buffer.from(encodeWeights(plain.model.weights)),
      },
    };
  } finally {
    a.close();
    b.close();
  }
}

/** @param prepared prepared sessions that the agreement allows; 0 for the default */
export async function agree(a, b, name, count, prepared = 0) {
  const { asset } = await a.publish({
    name: `mnist-${name.toLowerCase()}-${randomUUID().slice(0, 8)}`,
    model: modelFile(name),
    inputSchema: SCHEMA,
    description: `Network ${name}, trained on MNIST`,
  });
  const offer = await a.agreements.offer({
    asset: asset.id,
    to: "clinic-b",
    records: count + 10,
    expires: new Date(Date.now() + YEAR),
    purpose: "demonstration",
    ...(prepared > 0 && { maxPrepared: prepared }),
  });
  await b.agreements.accept(offer.id);
  for (const side of [a, b]) await ready(side, offer.id);
  return b.asset(asset.id);
}

async function ready(parley, agreement) {
  for (let tries = 0; tries < 300; tries++) {
    if ((await parley.agreements.get(agreement)).ready) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`agreement ${agreement} was not ready in 30 s; see the logs of the access points`);
}

/** The same model in the clear: the fixed-point twin, and ONNX Runtime in floating point. */
export async function plaintext(name, asset) {
  const file = readFileSync(modelFile(name));
  const model = importOnnx(file, { inputSchema: SCHEMA });
  if (Buffer.from(planDigest(model.plan)).toString("hex") !== asset.planDigest)
    throw new Error("the published plan is not the plan of this model");
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const input = (pixels) =>
    encodeInput(
      model.plan,
      Float64Array.from(pixels, (p) => p / 255),
      1,
    );
  return {
    model,
    input,
    logits: (pixels) => [...evaluateFixedPoint(model.plan, model.weights, input(pixels), 1)].map(String),
    async probabilities(pixels) {
      const shape = session.inputMetadata[0].shape.map((d) => (typeof d === "number" ? d : 1));
      const feeds = {
        [session.inputNames[0]]: new Tensor(
          "float32",
          Float32Array.from(pixels, (p) => p / 255),
          shape,
        ),
      };
      return [...(await session.run(feeds))[session.outputNames[0]].data];
    },
  };
}

const argmax = (values) => values.indexOf(maximum(values));

async function predict(parley, asset, image, plain, name, show) {
  const dataset = {
    shape: [1, 28, 28],
    values: Float64Array.from(image.pixels),
    kind: "bytes",
    source: "an MNIST image",
  };
  const job = parley.createJob({
    name: `network ${name}`,
    operation: "predict",
    asset,
    dataset,
    params: { security: "smpc" },
  });
  const started = performance.now();
  await job.submit();
  const submitToResultMs = performance.now() - started;
  if (!job.success) throw job.error ?? new Error(`job ${job.id} is ${job.state}`);
  const { logits, values, labels } = job.result;
  const expected = plain.logits(image.pixels);
  const float = await plain.probabilities(image.pixels);
  const t = job.timings;
  const run = {
    label: image.label,
    predicted: labels[0],
    plaintext: argmax(float),
    logitsEqual: expected.length === logits[0].length && expected.every((v, i) => v === logits[0][i]),
    difference: maximum(values[0].map((v, i) => Math.abs(v - float[i]))),
    onlineMs: Number(t.onlineMicros) / 1000,
    offlineMs: Number(t.offlineMicros) / 1000,
    submitToResultMs,
    messages: t.messages,
    bytes: { p1ToP0: Number(t.bytesP1ToP0), p0ToP1: Number(t.bytesP0ToP1) },
  };
  show?.(panel(image.pixels, run, name));
  return run;
}

function panel(pixels, run, name) {
  const side = {
    3: `network ${name}`,
    5: `private prediction    ${run.predicted}`,
    6: `plaintext prediction  ${run.plaintext}`,
    7: `label                 ${run.label}`,
    9: `logits ${run.logitsEqual ? "equal, bit for bit" : "DIFFER"}`,
    10: `online ${run.onlineMs.toFixed(2)} ms, submit to result ${run.submitToResultMs.toFixed(1)} ms`,
  };
  return draw(pixels)
    .map((line, i) => `  ${line}   ${side[i] ?? ""}`.trimEnd())
    .join("\n");
}
