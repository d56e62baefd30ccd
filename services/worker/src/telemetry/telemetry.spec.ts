import { cost } from "@parley/plan";
import { fleet } from "@parley/proto";
import { ATTRIBUTES, SPANS, shortModel, traceparentOf } from "@parley/service-kit";
import { recordTelemetry } from "@parley/service-kit/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { densePlan, evaluate, randomInput } from "../spec-support/network.js";
import { Scene } from "../spec-support/scene.js";

const RECORDS = 8;
const LAYERS = ["linear", "relu", "linear", "reveal"];
const declared = cost(densePlan, RECORDS).online;
const trace = { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true };

describe("telemetry of two workers", () => {
  let scene: Scene;
  let telemetry: ReturnType<typeof recordTelemetry>;
  let input: BigInt64Array;
  let result: fleet.RunResult;
  const run = (traceparent: string) => {
    input = randomInput(RECORDS);
    return scene.b.run({ ...scene.order(input, RECORDS), traceparent }, "worker-b");
  };
  const named = (name: string, party: string) =>
    telemetry.spans.filter((span) => span.name === name && span.attributes.party === party);
  const one = (name: string, party: string) => {
    const spans = named(name, party).filter(({ context }) => context.traceId === trace.traceId);
    expect(spans).toHaveLength(1);
    return spans[0];
  };
  const sum = (values: readonly (string | number | boolean | undefined)[]) =>
    values.reduce<number>((total, value) => total + Number(value), 0);

  beforeAll(async () => {
    telemetry = recordTelemetry();
    scene = await Scene.start();
    result = await run(traceparentOf(trace));
    expect(result.reason).toBe("");
    await vi.waitFor(() => ["p0", "p1"].forEach((party) => one("parley.run", party)));
  });
  afterAll(async () => {
    await scene?.close();
    telemetry.end();
  });

  it("draws a run under its job's trace, the model owner's under the data owner's", () => {
    expect(one("parley.run", "p1").parentSpanId).toBe(trace.spanId);
    expect(one("parley.run", "p0").parentSpanId).toBe(one("parley.run", "p1").context.spanId);
    for (const party of ["p0", "p1"]) {
      const span = one("parley.run", party);
      expect(span.attributes).toMatchObject({ outcome: "succeeded", "parley.records": RECORDS });
      expect(one("parley.online", party).parentSpanId).toBe(span.context.spanId);
    }
    const sessions = ["p0", "p1"].map((party) => one("parley.run", party).attributes["parley.session.id"]);
    expect(sessions[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(sessions[0]).toBe(sessions[1]);
  });

  it.each([
    ["p0", "sent", declared.p0ToP1],
    ["p0", "received", declared.p1ToP0],
    ["p1", "sent", declared.p1ToP0],
    ["p1", "received", declared.p0ToP1],
  ] as const)("%s's layers have the bytes %s that the plan declares, and its messages", (party, direction, bytes) => {
    const online = one("parley.online", party);
    const layers = named("parley.layer", party).filter(({ parentSpanId }) => parentSpanId === online.context.spanId);
    expect(layers.map(({ attributes }) => attributes["parley.layer.kind"])).toEqual(LAYERS);
    expect(sum(layers.map(({ attributes }) => attributes[`parley.bytes.${direction}`]))).toBe(bytes);
    expect(sum(layers.map(({ attributes }) => attributes["parley.messages"]))).toBe(declared.messages);
    expect(online.attributes[`parley.bytes.${direction}`]).toBe(bytes);
    expect(online.attributes["parley.messages"]).toBe(declared.messages);
    expect(layers.every(({ start, end }) => start >= online.start && end <= online.end)).toBe(true);
  });

  it("links a run to its preparation, and that to the drawing of its batch", () => {
    const of = (name: string, { spanId }: { spanId: string }) =>
      telemetry.spans.find((span) => span.name === name && span.context.spanId === spanId);
    for (const party of ["p0", "p1"]) {
      const prepared = of("parley.offline.prepare", one("parley.run", party).links[0]);
      expect(prepared?.attributes.party).toBe(party);
      const drawn = prepared && of("parley.offline.draw", prepared.links[0]);
      expect(drawn?.attributes.party).toBe(party);
      // What the dealer does is under it.
      const calls = telemetry.spans.filter(({ parentSpanId }) => parentSpanId === drawn?.context.spanId);
      expect(calls.map(({ name }) => name)).toContain("parley.dealer.v1.DealerService/FetchParts");
    }
  });

  it("tells the access point both parties' steps, with the run's messages and bytes", () => {
    const { PARTY_CLIENT, PARTY_SERVER } = fleet.Party;
    const steps = result.timings?.steps ?? [];
    for (const [party, bytes] of [
      [PARTY_CLIENT, result.timings?.bytesP1ToP0],
      [PARTY_SERVER, result.timings?.bytesP0ToP1],
    ] as const) {
      const own = steps.filter((step) => step.party === party);
      expect(own.map(({ name }) => name)).toEqual([
        "offline.prepare",
        "bind",
        "linear 0",
        "relu 1",
        "linear 2",
        "reveal",
      ]);
      expect(own.reduce((total, step) => total + step.bytes, 0n)).toBe(bytes);
    }
    expect(steps.reduce((total, { messages }) => total + messages, 0)).toBe(declared.messages);
    expect(steps.map(({ startMicros }) => startMicros)).toEqual(
      steps.map(({ startMicros }) => startMicros).sort((a, b) => Number(a - b)),
    );
  });

  it("counts sessions, bytes and stock, with the run's trace beside its latency", async () => {
    const metrics = await telemetry.metrics();
    const value = (name: Parameters<typeof metrics.get>[0], attributes: object) =>
      metrics
        .get(name)
        ?.find((series) =>
          Object.entries(attributes).every(
            ([key, v]) => series.attributes[key as keyof typeof series.attributes] === v,
          ),
        );
    const model = shortModel(scene.working().terms.asset.id);
    for (const party of ["p0", "p1"]) {
      expect(value("parley.session.ended", { party, outcome: "succeeded" })?.value).toBe(1);
      const online = value("parley.online.duration", { party, model });
      expect(online?.count).toBe(1);
      expect(online?.exemplars?.find(Boolean)?.trace.traceId).toBe(trace.traceId);
      expect(value("parley.offline.duration", { party, model })?.count).toBe(1);
    }
    expect(value("parley.online.io", { party: "p0", direction: "sent" })?.value).toBe(declared.p0ToP1);
    expect(value("parley.certificate.remaining", { certificate: "worker" })?.value).toBeGreaterThan(0);
    expect(value("parley.peer.unreachable", { organisation: "clinic-a" })?.value).toBe(0);
    await scene.keepPrepared(2);
    const later = await telemetry.metrics();
    expect(later.get("parley.stock.batches")).toMatchObject([{ attributes: { model }, value: 2 }]);
    await scene.keepPrepared(0);
  });

  it("counts what was refused because it had been used before", async () => {
    await scene.keepPrepared(0);
    const [used] = scene.b.batches;
    scene.dealer.repeat = Buffer.from(used, "hex");
    const refused = await run("");
    expect(refused.code).not.toBe(0);
    const refusals = (await telemetry.metrics()).get("parley.ledger.refusals") ?? [];
    expect(refusals.find(({ attributes }) => attributes.where === "worker")?.value).toBeGreaterThan(0);
  });

  it("tells nothing of a run whose trace is not sampled", async () => {
    const traceId = "c".repeat(32);
    const { code, timings } = await run(traceparentOf({ ...trace, traceId, sampled: false }));
    expect(code).toBe(0);
    expect(timings?.steps).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(telemetry.spans.filter(({ context }) => context.traceId === traceId)).toEqual([]);
  });

  it("has no names but ours, and no values", async () => {
    const about = ({ attributes, name, links }: (typeof telemetry.spans)[number]) => ({ attributes, name, links });
    const text = JSON.stringify([telemetry.spans.map(about), [...(await telemetry.metrics()).values()]]);
    const numbers = [...input, ...evaluate(scene.weights, input)].map(String).filter((number) => number.length > 4);
    expect(numbers.length).toBeGreaterThan(0);
    expect(numbers.filter((number) => new RegExp(`\\b${number}\\b`).test(text))).toEqual([]);
    const typed = [...densePlan.steps.map((step) => step.name), scene.working().terms.asset.name];
    for (const name of typed.filter((each) => !densePlan.steps.some(({ op }) => op === each)))
      expect(text).not.toContain(`"${name}"`);
    for (const span of telemetry.spans) {
      expect(Object.keys(span.attributes).filter((key) => !(key in ATTRIBUTES))).toEqual([]);
      expect(span.name in SPANS || span.name.startsWith("parley.")).toBe(true);
    }
  });
});
