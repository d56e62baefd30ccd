import { evaluateFixedPoint, importOnnx } from "@parley/model";
import { encodeInput } from "@parley/plan";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomNetwork } from "../networks.js";
import { repository } from "../system/index.js";
import { missing, modelFile, startRunning, until, type Running } from "./fixture.js";

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const BIN = join(repository, "libs/cli/bin/parley.js");
const PUBLIC_MODEL = join(process.env.PARLEY_DATA ?? join(repository, "../shared/data"), "onnx/mnist-8.onnx");
const IMAGES = join(repository, "examples/mnist/test-images.idx3-ubyte");

/** The whole way with the command line alone, on a model that is none of the examples, without a line of code. */
describe.skipIf(missing)("the command line alone", () => {
  let running: Running;
  let home: string;
  let images: string;
  const COUNT = 4;

  const parley = (profile: string, ...args: string[]) =>
    new Promise<Outcome>((resolve) =>
      execFile(
        process.execPath,
        [BIN, ...args, "--profile", profile],
        { env: { ...process.env, PARLEY_HOME: home } },
        (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
      ),
    );
  const json = async <T>(profile: string, ...args: string[]): Promise<T> => {
    const { code, out, err } = await parley(profile, ...args, "--json");
    if (code !== 0) throw new Error(`parley ${args.join(" ")}: ${err}`);
    return JSON.parse(out) as T;
  };

  beforeAll(async () => {
    running = await startRunning();
    home = mkdtempSync(join(tmpdir(), "parley-home-"));
    const head = Buffer.from(readFileSync(IMAGES).subarray(0, 16));
    head.writeUInt32BE(COUNT, 4);
    images = join(home, "few.idx3-ubyte");
    writeFileSync(images, Buffer.concat([head, readFileSync(IMAGES).subarray(16, 16 + COUNT * 784)]));
    for (const [id, { profile }] of running.organisations) {
      const ca = join(home, `${id}.pem`);
      const key = join(home, `${id}.key`);
      writeFileSync(ca, profile.ca);
      writeFileSync(key, profile.apiKey, { mode: 0o600 });
      const login = await parley(id, "login", "--address", profile.address, "--ca", ca, "--api-key-file", key);
      expect(login).toMatchObject({ code: 0, out: expect.stringContaining(`Logged in to ${id}`) });
    }
  }, 120_000);
  afterAll(async () => {
    await running?.remove();
    rmSync(home, { recursive: true, force: true });
  }, 60_000);

  /** Both organisations' steps are in the trace; nothing in it is data. */
  const showsTrace = async (jobId: string) => {
    interface Trace {
      traceId: string;
      steps: { name: string; actor: string; organisation: string; durationMs: number; party?: number }[];
    }
    const reported = async () => {
      const trace = await json<Trace>("clinic-b", "job", "trace", jobId);
      return trace.steps.some(({ name }) => name === "report") ? trace : undefined;
    };
    await until(async () => (await reported()) !== undefined, "the job to be reported");
    const { traceId, steps } = (await reported())!;
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(steps.map(({ name }) => name)).toEqual(expect.arrayContaining(["submit", "accept", "attempt", "run"]));
    for (const { name } of steps) expect(name).toMatch(/^[a-z][a-z0-9 ._-]{0,63}$/);
    const { out } = await parley("clinic-b", "job", "trace", jobId);
    expect(out).toContain(traceId);
    expect(out).toContain("█");
  };

  const models: [string, () => string, [number, number]][] = [
    [
      "a network of the literature with random weights (M2)",
      () => {
        const file = join(home, "m2.onnx");
        writeFileSync(file, randomNetwork("M2").onnx);
        return file;
      },
      [0, 1],
    ],
  ];
  if (existsSync(PUBLIC_MODEL)) models.push(["the ONNX model zoo's mnist-8", () => PUBLIC_MODEL, [0, 255]]);
  else process.stderr.write("mnist-8.onnx is not here (PARLEY_DATA); its case is skipped\n");

  it.each(models)(
    "%s is published, offered, accepted and predicted with",
    async (_, make, [lo, hi]) => {
      const file = make();
      const asset = await json<{ assetId: string; version: number; commitment: string; planDigest: string }>(
        "clinic-a",
        "asset",
        "publish",
        file,
        "--name",
        file.replace(/\W/g, "-").slice(-30),
        "--input-range",
        `${lo},${hi}`,
      );
      expect(Object.keys(asset).sort()).toEqual(["assetId", "commitment", "planDigest", "version"]);
      const { agreementId } = await json<{ agreementId: string }>(
        "clinic-a",
        "agreement",
        "offer",
        "--asset",
        asset.assetId,
        "--to",
        "clinic-b",
        "--records",
        "20",
        "--expires",
        "2099-12-31",
        "--output",
        "logits",
      );
      await json("clinic-b", "agreement", "accept", agreementId);
      await until(
        async () => (await json<{ ready: boolean }>("clinic-b", "agreement", "show", agreementId)).ready,
        "the agreement to be ready",
      );
      const result = await json<{
        jobId: string;
        state: string;
        records: number;
        values: number[][];
        logits: string[][];
        scale: number;
        labels: number[];
        timings: object;
      }>("clinic-b", "predict", "--asset", asset.assetId, "--data", images);
      expect(result).toMatchObject({
        state: "succeeded",
        records: COUNT,
        jobId: expect.stringMatching(/^job_/),
        scale: expect.any(Number),
        timings: expect.any(Object),
      });

      const pixels = readFileSync(images).subarray(16);
      const real = Float64Array.from(pixels, (p) => lo + ((hi - lo) * p) / 255);
      const model = importOnnx(readFileSync(file), { inputSchema: { lo, hi } });
      const exact = Array.from(
        evaluateFixedPoint(model.plan, model.weights, encodeInput(model.plan, real, COUNT), COUNT),
        String,
      );
      expect(result.logits.flat()).toEqual(exact);
      const session = await InferenceSession.create(file);
      for (let i = 0; i < COUNT; i++) {
        const shape = session.inputMetadata.map((m) =>
          m.isTensor ? m.shape.map((d) => (typeof d === "number" && d > 0 ? d : 1)) : [],
        )[0];
        const input = new Tensor("float32", Float32Array.from(real.subarray(784 * i, 784 * (i + 1))), shape);
        const float = Array.from(
          (await session.run({ [session.inputNames[0]]: input }))[session.outputNames[0]].data as Float32Array,
        );
        expect(result.labels[i]).toBe(float.indexOf(Math.max(...float)));
      }
      const shown = await json<{ jobId: string; logits: string[][] }>("clinic-b", "job", "show", result.jobId);
      expect(shown.logits).toEqual(result.logits);
      await showsTrace(result.jobId);
      const out = join(home, "result.csv");
      expect((await parley("clinic-b", "predict", "--asset", asset.assetId, "--data", images, "--out", out)).code).toBe(
        0,
      );
      expect(readFileSync(out, "utf8").split("\n")).toHaveLength(COUNT + 2);
      expect((await json<{ jobs: object[] }>("clinic-b", "job", "list")).jobs.length).toBeGreaterThanOrEqual(2);
    },
    120_000,
  );

  it("finds nothing failed in the whole installation, seen from both organisations", async () => {
    interface Report {
      findings: { from: string; to: string; check: string; outcome: string; figure: string }[];
    }
    for (const [id, partner] of [
      ["clinic-a", "clinic-b"],
      ["clinic-b", "clinic-a"],
    ]) {
      const { findings } = await json<Report>(id, "doctor", "--idle", "0.2");
      const seen = (from: RegExp, to: string) => findings.filter((f) => from.test(f.from) && f.to === to);
      for (const service of ["identity", "registry", "agreements", "scheduler", "dealer"])
        expect(seen(/^access-point$/, service).map(({ check }) => check)).toContain("keepalive");
      expect(seen(/^worker /, "dealer").map(({ check }) => check)).toContain("bandwidth down");
      expect(seen(/^access-point$/, partner)).toMatchObject([{ check: "trust", outcome: "ok" }]);
      // The data owner's workers call the model owner's, never the other way round.
      expect(seen(/^worker /, partner).some(({ check }) => check === "round trip")).toBe(id === "clinic-b");
    }
  }, 60_000);

  it("fails clearly: exit code 1 and an error as JSON; wrong usage 2", async () => {
    const failed = await parley(
      "clinic-b",
      "predict",
      "--asset",
      "mdl_00000000000000000000000000",
      "--data",
      images,
      "--json",
    );
    expect(failed.code).toBe(1);
    expect(failed.out).toBe("");
    const { error } = JSON.parse(failed.err) as { error: { code: string; message: string; hint: string } };
    expect(error).toMatchObject({
      code: "ASSET_NOT_FOUND",
      message: expect.stringContaining("mdl_"),
      hint: expect.any(String),
    });
    expect((await parley("clinic-b", "predict", "--asset")).code).toBe(2);
    expect((await parley("clinic-b", "nonsense")).code).toBe(2);
    expect((await parley("nobody", "asset", "list")).code).toBe(1);
    const unsupported = join(home, "bad.onnx");
    writeFileSync(unsupported, readFileSync(modelFile("a")).subarray(0, 1000));
    const publish = await parley("clinic-a", "asset", "publish", unsupported, "--name", "bad", "--json");
    expect(publish.code).toBe(1);
  }, 60_000);

  it("shows organisations and their fingerprints, and warns of a default input range", async () => {
    const own = await json<{ orgId: string; fingerprint: string }>("clinic-a", "org", "show");
    expect(own).toMatchObject({ orgId: "clinic-a", fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const partner = await json<{ fingerprint: string; trusted: boolean }>("clinic-b", "org", "show", "clinic-a");
    expect(partner).toMatchObject({ fingerprint: own.fingerprint, trusted: true });
    const wrong = await parley("clinic-b", "org", "trust", "clinic-a", "--fingerprint", "0".repeat(64));
    expect(wrong.code).toBe(1);
    const { code, err } = await parley("clinic-a", "asset", "publish", modelFile("b"), "--name", "no range");
    expect(code).toBe(0);
    expect(err).toContain("Warning");
  }, 60_000);
});
