import { PGlite } from "@electric-sql/pglite";
import { cost, schedule } from "@parley/plan";
import { Code, ParleyError } from "@parley/proto";
import type { Job } from "@parley/sdk";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { images, missing, predict, publish, startRunning, until, type Published, type Running } from "./fixture.js";

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: ParleyError) => `${Code[error.code]} ${error.reason}`,
  );

describe.skipIf(missing)("the main job, two organisations", () => {
  let running: Running;
  let small: Published;
  let job: Job;

  beforeAll(async () => {
    running = await startRunning();
    small = await publish(running, "a", 400);
  }, 120_000);
  afterAll(() => running?.remove(), 60_000);

  it.each(["a", "b", "c"] as const)(
    "network %s: 200 images equal the plaintext fixed-point logits bit for bit, and ONNX Runtime's labels",
    async (name) => {
      const { dataset, pixels } = images(200);
      const model = name === "a" ? small : await publish(running, name);
      const done = await predict(running.b, model.asset, dataset);
      if (!done.success) throw done.error ?? new Error(done.state);
      expect(done.result.logits).toEqual(model.twin(pixels));
      const float = await model.float(pixels);
      const argmax = (row: readonly number[]) => row.indexOf(Math.max(...row));
      expect(done.result.labels).toEqual(float.map(argmax));
      const differences = done.result.values.flatMap((row, r) => row.map((v, i) => Math.abs(v - float[r][i])));
      expect(Math.max(...differences)).toBeLessThanOrEqual(0.00005);
    },
    120_000,
  );

  it("one image: messages and bytes are those that the plan declares", async () => {
    job = await predict(running.b, small.asset, images(1).dataset);
    const { messages, p1ToP0, p0ToP1 } = cost(small.model.plan, 1).online;
    expect(messages).toBe(10);
    expect(job.timings).toMatchObject({ messages, bytesP1ToP0: BigInt(p1ToP0), bytesP0ToP1: BigInt(p0ToP1), runs: 1 });
    expect(schedule(small.model.plan, 1).messages.filter((m) => m.phase === "online")).toHaveLength(messages);
  });

  it("left an audit row of each step at both access points and the router, under one trace", async () => {
    const trace = job.details?.traceId ?? "";
    expect(trace).toMatch(/^[0-9a-f]{32}$/);
    const own = async (parley: Running["a"]) =>
      (await parley.client.listAudit({ subject: "", page: { limit: 1000, token: "" } })).entries
        .filter((e) => e.traceId === trace)
        .map((e) => e.action);
    const [a, b] = [await own(running.a), await own(running.b)];
    expect(b).toEqual(expect.arrayContaining(["job.submitted", "attempt.started", "job.succeeded"]));
    expect(a.some((action) => action.startsWith("run."))).toBe(true);
    // The router hears of revealed records and ended jobs in a moment, for many at once.
    const counts = async () => {
      const { used, reserved } = (await running.a.agreements.get(small.agreement)).agreement;
      return [used, reserved];
    };
    await until(async () => (await counts()).join() === "201,0", "the router to count 201 records");
    expect(await counts()).toEqual([201n, 0n]);
  });

  it("refuses bad data before anything is spent, naming it", async () => {
    const values = Float64Array.from(images(1).dataset.values, (v) => v / 255);
    const real = (change: (v: Float64Array) => void) => {
      const copy = values.slice();
      change(copy);
      return { shape: [1, 784], values: copy, kind: "real" as const, source: "test" };
    };
    const submit = (dataset: Parameters<typeof predict>[2]) => predict(running.b, small.asset, dataset);
    await expect(
      submit({ shape: [1, 5], values: new Float64Array(5), kind: "real", source: "five values" }),
    ).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT, message: expect.stringContaining("784 values") });
    await expect(submit(real((v) => (v[7] = Number.NaN)))).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT });
    await expect(submit(real((v) => (v[9] = 1.5)))).rejects.toMatchObject({
      code: Code.INVALID_ARGUMENT,
      message: expect.stringMatching(/row 1|record 1|row 0/i),
    });
    expect((await running.b.agreements.get(small.agreement)).agreement.used).toBe(201n);
  });

  it("the access point checks again what a client did not", async () => {
    const { client } = running.b;
    const header = {
      name: "",
      operation: "predict",
      assetId: small.asset.id,
      agreementId: "",
      security: "smpc",
      shape: [1, 1, 28, 28],
      jobId: "",
    };
    const send = (changes: Partial<typeof header>, bytes: Buffer) =>
      refusal(
        client.submitJob([
          { body: { $case: "header" as const, value: { ...header, ...changes } } },
          { body: { $case: "chunk" as const, value: bytes } },
        ]),
      );
    const good = Buffer.from(new Float64Array(784).buffer);
    const nan = Buffer.from(new Float64Array(784).fill(Number.NaN).buffer);
    expect(await send({}, nan)).toMatch(/^INVALID_ARGUMENT/);
    expect(await send({}, good.subarray(8))).toMatch(/^INVALID_ARGUMENT/);
    expect(await send({ shape: [1, 5] }, good.subarray(0, 40))).toMatch(/^INVALID_ARGUMENT/);
    expect(await send({ operation: "train" }, good)).toMatch(
      /^(INVALID_ARGUMENT|FAILED_PRECONDITION|PERMISSION_DENIED)/,
    );
    expect(await send({ security: "none" }, good)).toMatch(/^INVALID_ARGUMENT/);
    expect(await send({ assetId: "mdl_00000000000000000000000000" }, good)).toMatch(/^NOT_FOUND/);
    expect(await send({ agreementId: "agr_00000000000000000000000000" }, good)).toMatch(
      /^(NOT_FOUND|FAILED_PRECONDITION)/,
    );
  });

  it("refuses without an agreement, and beyond the quota; what is left can still be used", async () => {
    const { asset } = await running.a.publish({
      name: "unshared",
      model: (await import("./fixture.js")).modelFile("a"),
      inputSchema: { lo: 0, hi: 1 },
    });
    const without = await running.b.asset(asset.id);
    expect(await refusal(predict(running.b, without, images(1).dataset))).toMatch(/^FAILED_PRECONDITION/);
    const left = 400 - Number((await running.b.agreements.get(small.agreement)).agreement.used);
    expect(await refusal(predict(running.b, small.asset, images(left > 199 ? 200 : left + 1).dataset))).toMatch(
      /^RESOURCE_EXHAUSTED/,
    );
    expect((await predict(running.b, small.asset, images(1).dataset)).success).toBe(true);
  });

  it("a wrong API key is told so", async () => {
    const profile = running.organisations.get("clinic-b")?.profile;
    const { Parley } = await import("@parley/sdk");
    const stranger = Parley.connect({ address: profile?.address ?? "", ca: profile?.ca ?? "", apiKey: "k".repeat(43) });
    expect(await refusal(stranger.whoAmI())).toMatch(/^UNAUTHENTICATED/);
    stranger.close();
  });

  // Last: it stops the router's services to look into their stores.
  it("the router's own log has the agreement, the job and the run's report, with the job's trace", async () => {
    for (const service of ["agreements", "registry", "identity"] as const) await running.services.get(service)?.stop();
    const rows = async (service: string) => {
      const store = await PGlite.create(join(running.folder, service, "pglite"));
      const { rows } = await store.query<{ action: string; subject: string; trace_id: string }>(
        `SELECT * FROM "${service}".audit_log`,
      );
      await store.close();
      return rows;
    };
    const log = await rows("agreements");
    const about = (subject: string) => log.filter((row) => row.subject === subject).map((row) => row.action);
    expect(about(small.agreement)).toEqual(expect.arrayContaining(["agreement.offered", "agreement.accepted"]));
    expect(about(job.id).length).toBeGreaterThan(0);
    expect(log.some((row) => row.trace_id === job.details?.traceId)).toBe(true);
    expect((await rows("registry")).map((row) => row.action)).toContain("asset.published");
    expect((await rows("identity")).filter((row) => row.action === "organisation.enrolled")).toHaveLength(2);
  }, 60_000);
});
