import { cost, encodeInput } from "@parley/plan";
import { startOtlpCollector, type OtlpCollector, type ReceivedSpan } from "@parley/service-kit/testing";
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../engine/evaluate.js";
import { images, missing, predict, publish, startRunning, until, type Published, type Running } from "./fixture.js";
import { excerpts } from "./secrets.js";

/** Stretches of bytes as they are, and as text. */
const plain = (bytes: Buffer) =>
  [0, 384].flatMap((at) => {
    const stretch = bytes.subarray(at, at + 24);
    return [
      stretch,
      ...(["hex", "base64"] as const).map((form) => Buffer.from(stretch.toString(form))),
      Buffer.from([...stretch].join()),
    ];
  });

/** Runs a job with all telemetry on: what leaves must draw the job as one trace, and hold nothing of what is secret. */
describe.skipIf(missing)("telemetry of a whole system", () => {
  let collector: OtlpCollector;
  let running: Running;
  let model: Published;
  let traceId: string;
  let texts: string[];
  const pixels = Uint8Array.from(randomBytes(784), (v) => v | 1);
  const dataset = { ...images(1).dataset, values: Float64Array.from(pixels), source: "ward-secret-name" };

  const ofTrace = () => collector.spans.filter((span) => span.traceId === traceId);
  const named = (name: string) => ofTrace().filter((span) => span.name.endsWith(name));
  const ancestors = (span: ReceivedSpan): string[] => {
    const parent = ofTrace().find(({ spanId }) => spanId === span.parentSpanId);
    return parent ? [parent.name, ...ancestors(parent)] : [];
  };
  const metric = (name: string) => collector.points.filter((point) => point.metric === name);

  beforeAll(async () => {
    collector = await startOtlpCollector();
    running = await startRunning({
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.grpcEndpoint,
        OTEL_BSP_SCHEDULE_DELAY: "200",
        OTEL_METRIC_EXPORT_INTERVAL: "500",
        PARLEY_METRICS_LISTEN: "127.0.0.1:0",
        PARLEY_LOG_LEVEL: "debug",
      },
    });
    model = await publish(running, "a", 100);
    const job = await predict(running.b, model.asset, dataset);
    if (!job.success) throw job.error ?? new Error(job.state);
    traceId = job.details?.traceId ?? "";
    await until(() => named("parley.job").length > 0 && named("parley.attempt").length > 0, "the job's spans");
    await until(() => named("parley.run").length === 2, "the workers' spans");
    texts = await Promise.all(
      metricPorts().map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
    );
    await until(() => metric("parley.job.duration").length > 0, "the job's metrics");
    for (const { accessPoint, workers } of running.organisations.values())
      await Promise.all([accessPoint.stop(), ...workers.map((worker) => worker.stop())]);
    for (const service of running.services.values()) await service.stop();
  }, 180_000);
  afterAll(async () => {
    await running?.remove();
    collector?.close();
  }, 60_000);

  /** Of every process, as its log says. */
  function metricPorts(): number[] {
    const lines = readdirSync(running.logs).flatMap((name) =>
      readFileSync(join(running.logs, name), "utf8").split("\n"),
    );
    return lines
      .filter((line) => line.includes('"metrics are served"'))
      .map((line) => (JSON.parse(line) as { port: number }).port);
  }

  it("draws the job as one trace, through access points and router to both workers", () => {
    const [job] = named("parley.job");
    expect(ancestors(job)).toEqual(["parley.member.v1.MemberService/RunJob"]);
    expect(ancestors(named("parley.attempt")[0])[0]).toBe("parley.job");
    const [wait] = named("parley.queue");
    expect(wait.service).toBe("parley-scheduler");
    expect(ancestors(wait)).toEqual([
      "parley.scheduler.v1.SchedulerService/CreateJob", // answered
      "parley.scheduler.v1.SchedulerService/CreateJob", // asked
      "parley.job",
      "parley.member.v1.MemberService/RunJob",
    ]);
    const [own, partner] = ["p1", "p0"].map((party) =>
      named("parley.run").find(({ attributes }) => attributes.party === party),
    );
    if (!own || !partner) throw new Error("both workers tell of the run");
    expect(ancestors(own).slice(0, 2)).toEqual(["parley.attempt", "parley.job"]);
    expect(ancestors(partner).slice(0, 2)).toEqual(["parley.run", "parley.attempt"]);
    const [bound] = named("parley.bind");
    expect(ancestors(bound)[0]).toBe("parley.run");
    expect(bound.resource["service.namespace"]).toBe("clinic-a");
    expect(job.resource["service.namespace"]).toBe("clinic-b");
    const namespaces = new Set(ofTrace().map(({ resource }) => resource["service.namespace"]));
    for (const name of ["clinic-a", "clinic-b", "router"]) expect(namespaces).toContain(name);
    // Nothing hangs under a span that nobody recorded.
    const ids = new Set(ofTrace().map(({ spanId }) => spanId));
    expect(ofTrace().filter(({ parentSpanId }) => parentSpanId !== "" && !ids.has(parentSpanId))).toEqual([]);
  });

  it("shows what each layer took and sent, at both workers, as the plan declares", () => {
    const { plan } = model.model;
    const declared = cost(plan, 1).online;
    for (const [party, sent] of [
      ["p0", declared.p0ToP1],
      ["p1", declared.p1ToP0],
    ] as const) {
      const layers = named("parley.layer").filter(({ attributes }) => attributes.party === party);
      expect(layers.map(({ attributes }) => attributes["parley.layer.kind"])).toEqual([
        ...plan.steps.map(({ op }) => op),
        "reveal",
      ]);
      const sum = (name: string) => layers.reduce((total, { attributes }) => total + Number(attributes[name]), 0);
      expect(sum("parley.bytes.sent")).toBe(sent);
      expect(sum("parley.messages")).toBe(declared.messages);
    }
  });

  it("links a run to the preparation of its session, and that to the drawing of its batch at the dealer", () => {
    const at = (link: { spanId: string }) => collector.spans.find(({ spanId }) => spanId === link.spanId);
    for (const run of named("parley.run")) {
      const prepared = run.links.map(at).find((span) => span?.name === "parley.offline.prepare");
      const drawn = prepared?.links.map(at).find((span) => span?.name === "parley.offline.draw");
      expect(prepared?.service).toBe("parley-worker");
      const deals = collector.spans.filter(
        ({ name, traceId: id }) => name === "parley.dealer.deal" && id === drawn?.traceId,
      );
      expect(deals.map(({ service }) => service)).toContain("parley-dealer");
    }
  });

  it("measures every service, and shows the same to Prometheus", () => {
    const services = ["identity", "registry", "agreements", "scheduler", "dealer", "access-point", "worker"];
    const measured = new Set(metric("process.memory.usage").map(({ service }) => service));
    expect([...measured].sort()).toEqual(services.map((name) => `parley-${name}`).sort());
    expect(texts).toHaveLength(9);
    for (const text of texts) expect(/^rpc_(server|client)_call_duration_seconds_count\{/m.test(text)).toBe(true);
    const [exemplar] = metric("parley.job.duration").flatMap(({ exemplars }) => exemplars);
    expect(exemplar?.traceId).toBe(traceId);
    expect(metric("parley.certificate.remaining").every(({ value }) => value > 0)).toBe(true);
    expect(metric("parley.clock.skew").map(({ value }) => value)).toContain(0);
    expect(collector.logs.some(({ traceId: id, service }) => id === traceId && service === "parley-access-point")).toBe(
      true,
    );
  });

  it.each(["input", "weights", "result", "names and keys"])(
    "%s: not in anything that is exported, in no encoding",
    (name) => {
      const exported = [...collector.raw.map(({ bytes }) => bytes), ...texts.map((text) => Buffer.from(text))];
      const { plan, weights } = model.model;
      const input = encodeInput(
        plan,
        Float64Array.from(pixels, (p) => p / 255),
        1,
      );
      const keys = [...running.organisations.values()].map(({ profile }) => Buffer.from(profile.apiKey));
      const secrets: Record<string, Buffer[]> = {
        input: [...excerpts(input), ...plain(Buffer.from(pixels)), ...plain(Buffer.from(dataset.values.buffer))],
        weights: excerpts(BigInt64Array.from(weights[0].weights, BigInt)),
        result: excerpts(evaluate(plan, weights, input, 1), 3),
        "names and keys": [Buffer.from("ward-secret-name"), Buffer.from(model.asset.name), ...keys],
      };
      expect(exported.length).toBeGreaterThan(50);
      expect(secrets[name].length).toBeGreaterThan(0);
      const found = secrets[name].filter((secret) => exported.some((bytes) => bytes.includes(secret)));
      expect(found.map((secret) => secret.toString("latin1"))).toEqual([]);
    },
    240_000,
  );
});
