import { importOnnx, evaluateFixedPoint, type Model } from "@parley/model";
import { encodeInput, planDigest } from "@parley/plan";
import { Parley, type Asset, type Dataset } from "@parley/sdk";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findRedis, repository, startSystem, type System, type SystemOptions } from "../system/index.js";

/** Why end-to-end suites cannot run here, or undefined. */
export const missing = findRedis() ? undefined : "no Redis or Valkey server here; npm test brings one";

export interface Running extends System {
  readonly a: Parley;
  readonly b: Parley;
  remove(): Promise<void>;
}

/** A whole system with SDK connections of clinic-a and clinic-b. */
export async function startRunning(options: Partial<SystemOptions> = {}): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "parley-e2e-"));
  const system = await startSystem({ folder, ...options });
  const connect = (id: string) => Parley.connect(system.organisations.get(id)?.profile);
  const [a, b] = [connect("clinic-a"), connect("clinic-b")];
  const remove = async () => {
    a.close();
    b.close();
    await system.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...system, a, b, remove };
}

export const modelFile = (name: "a" | "b" | "c") => join(repository, "examples/mnist", `${name}.onnx`);
const SCHEMA = { lo: 0, hi: 1 };
const PIXELS = 28 * 28;

/** The first MNIST test images, as bytes and labels. */
export function images(count: number): { dataset: Dataset; pixels: Uint8Array; labels: number[] } {
  const folder = join(repository, "examples/mnist");
  const pixels = readFileSync(join(folder, "test-images.idx3-ubyte")).subarray(16, 16 + count * PIXELS);
  const labels = [...readFileSync(join(folder, "test-labels.idx1-ubyte")).subarray(8, 8 + count)];
  const dataset = {
    shape: [count, 28, 28],
    values: Float64Array.from(pixels),
    kind: "bytes" as const,
    source: "MNIST",
  };
  return { dataset, pixels, labels };
}

export interface Published {
  readonly asset: Asset;
  readonly agreement: string;
  /** The same model in the clear. */
  readonly model: Model;
  /** Exact logits of records of pixels, as decimal strings. */
  twin(pixels: Uint8Array): string[][];
  /** ONNX Runtime's floating point output. */
  float(pixels: Uint8Array): Promise<number[][]>;
}

let published = 0;

/** clinic-a publishes a network, both sign an agreement, and both are ready. */
export async function publish(
  { a, b }: Pick<Running, "a" | "b">,
  name: "a" | "b" | "c",
  records = 1000,
): Promise<Published> {
  const file = modelFile(name);
  const { asset } = await a.publish({ name: `${name}-${published++}`, model: file, inputSchema: SCHEMA });
  const { id } = await a.agreements.offer({
    asset: asset.id,
    to: "clinic-b",
    records,
    expires: new Date(Date.now() + 3_600_000),
  });
  await b.agreements.accept(id);
  await untilReady(a, id);
  await untilReady(b, id);
  const model = importOnnx(readFileSync(file), { inputSchema: SCHEMA });
  if (Buffer.from(planDigest(model.plan)).toString("hex") !== asset.planDigest)
    throw new Error("another plan was published");
  const session = await InferenceSession.create(file);
  const chunks = (values: readonly number[]) =>
    Array.from({ length: values.length / 10 }, (_, i) => values.slice(10 * i, 10 * i + 10));
  return {
    asset: await b.asset(asset.id),
    agreement: id,
    model,
    twin(pixels) {
      const count = pixels.length / PIXELS;
      const input = encodeInput(
        model.plan,
        Float64Array.from(pixels, (p) => p / 255),
        count,
      );
      const logits = Array.from(evaluateFixedPoint(model.plan, model.weights, input, count), String);
      return Array.from({ length: count }, (_, i) => logits.slice(10 * i, 10 * i + 10));
    },
    async float(pixels) {
      const input = new Tensor(
        "float32",
        Float32Array.from(pixels, (p) => p / 255),
        [pixels.length / PIXELS, 1, 28, 28],
      );
      const output = (await session.run({ [session.inputNames[0]]: input }))[session.outputNames[0]];
      return chunks(Array.from(output.data as Float32Array));
    },
  };
}

/** Waits until an access point is ready to run under an agreement. */
export async function untilReady(parley: Parley, agreement: string): Promise<void> {
  await until(async () => (await parley.agreements.get(agreement)).ready, `agreement ${agreement} to be ready`);
}

/** Polls until something holds. @throws Error naming what did not happen within the time */
export async function until(holds: () => Promise<boolean> | boolean, what: string, timeoutMs = 30_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50)))
    if (await holds()) return;
  throw new Error(`waited ${timeoutMs / 1000} s for ${what}`);
}

/** Runs one private prediction. */
export const predict = (parley: Parley, asset: Asset, dataset: Dataset) =>
  parley.createJob({ name: "test", operation: "predict", asset, dataset, params: { security: "smpc" } }).submit();
