import { encodeInput } from "@parley/plan";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../engine/evaluate.js";
import { repository } from "../system/index.js";
import { images, missing, predict, publish, startRunning, type Published, type Running } from "./fixture.js";
import { excerpts, framesOf, type Secret } from "./secrets.js";

const MODEL_OWNER = /^clinic-a\./;
const DATA_OWNER = /^clinic-b\./;

/** Captures what every process receives (decrypted) and stores in two jobs on the same input, and looks for what must not be there. */
describe.skipIf(missing)("what each process receives and stores", () => {
  let running: Running;
  let model: Published;
  let capture: string;
  const processes = new Map<string, Buffer[]>();
  // Varied pixels: stretches of a digit's image are mostly black, and would occur anywhere.
  const pixels = Uint8Array.from(randomBytes(784), (v) => v | 1);
  const dataset = { ...images(1).dataset, values: Float64Array.from(pixels) };
  let secrets: Secret[];

  const everyFile = (folder: string) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile())
      .map((e) => readFileSync(join(e.parentPath, e.name)));

  beforeAll(async () => {
    capture = mkdtempSync(join(tmpdir(), "parley-capture-"));
    const preload = pathToFileURL(join(repository, "libs/testing/capture/received.mjs")).href;
    running = await startRunning({ env: { NODE_OPTIONS: `--import ${preload}`, PARLEY_TEST_CAPTURE: capture } });
    model = await publish(running, "a", 100);
    for (let i = 0; i < 2; i++) {
      const job = await predict(running.b, model.asset, dataset);
      if (!job.success) throw job.error ?? new Error(job.state);
      expect(job.result.logits).toEqual(model.twin(pixels));
    }
    await running.organisations.get("clinic-a")?.accessPoint.stop();
    await running.organisations.get("clinic-b")?.accessPoint.stop();
    for (const name of readdirSync(capture)) processes.set(name, everyFile(join(capture, name)));
    const stored: [string, string[]][] = [
      ["clinic-a.stored", ["clinic-a"]],
      ["clinic-b.stored", ["clinic-b"]],
      ["operator.router-stored", ["identity", "registry", "agreements", "scheduler", "redis"]],
      ["operator.dealer-stored", ["dealer"]],
      ["operator.logs", ["logs"]],
    ];
    for (const [name, folders] of stored)
      processes.set(
        name,
        folders.flatMap((folder) => everyFile(join(running.folder, folder))),
      );
    secrets = collectSecrets();
  }, 180_000);
  afterAll(async () => {
    await running?.remove();
    rmSync(capture, { recursive: true, force: true });
  }, 60_000);

  function collectSecrets(): Secret[] {
    const { plan, weights } = model.model;
    const input = encodeInput(
      plan,
      Float64Array.from(pixels, (p) => p / 255),
      1,
    );
    const activations = plan.tensors
      .map((_, t) => t)
      .filter((t) => t > 0 && t !== plan.output.tensor)
      .map((t) => evaluate({ ...plan, output: { ...plan.output, tensor: t, width: 64 } }, weights, input, 1));
    const logits = evaluate(plan, weights, input, 1);
    return [
      { name: "input", mayHold: DATA_OWNER, excerpts: excerpts(input) },
      { name: "weights", mayHold: MODEL_OWNER, excerpts: excerpts(BigInt64Array.from(weights[0].weights, BigInt)) },
      { name: "activations", mayHold: /^nobody/, excerpts: activations.flatMap((values) => excerpts(values)) },
      { name: "result", mayHold: DATA_OWNER, excerpts: excerpts(logits, 3) },
    ];
  }

  it("the capture is whole: workers received frames, and the data owner's access point the input", () => {
    expect([...processes.keys()].sort()).toEqual(
      expect.arrayContaining([
        "clinic-a.access-point",
        "clinic-a.worker",
        "clinic-b.worker",
        "clinic-b.access-point",
        "operator.identity",
        "operator.dealer",
        "operator.scheduler",
      ]),
    );
    const input = secrets[0];
    const atHome = [...processes].filter(([name]) => DATA_OWNER.test(name)).flatMap(([, files]) => files);
    expect(atHome.some((file) => input.excerpts.some((excerpt) => file.includes(excerpt)))).toBe(true);
  });

  it.each(["input", "weights", "activations", "result"])(
    "%s: nowhere but at its owner, in no encoding",
    (name) => {
      const secret = secrets.find((s) => s.name === name);
      if (!secret) throw new Error(name);
      expect(secret.excerpts.length).toBeGreaterThan(0);
      const found = [...processes]
        .filter(
          ([process, files]) =>
            !secret.mayHold.test(process) &&
            files.some((file) => secret.excerpts.some((excerpt) => file.includes(excerpt))),
        )
        .map(([process]) => process);
      expect(found).toEqual([]);
    },
    240_000,
  );

  it("two runs on the same input have no common 16-byte block in their steps", () => {
    const workers = [...processes].filter(([name]) => name.endsWith(".worker")).flatMap(([, files]) => files);
    // The messages of dry exchanges are zeros, which is all that is in them.
    const frames = workers.flatMap(framesOf).filter((frame) => frame.some((byte) => byte !== 0));
    const seen = new Map<string, number>();
    let common = 0;
    frames.forEach((frame, index) => {
      for (let at = 0; at + 16 <= frame.length; at += 16) {
        const block = frame.toString("latin1", at, at + 16);
        const before = seen.get(block);
        if (before !== undefined && before !== index) common++;
        seen.set(block, index);
      }
    });
    expect(frames.length).toBeGreaterThanOrEqual(2 * 12); // two runs of the network's steps
    expect(seen.size).toBeGreaterThan(500);
    expect(common).toBe(0);
  });
});
