/**
 * Every name that telemetry uses: metrics, spans, attributes. What is not in this file does not compile, and is dropped at
 * run time. docs/telemetry.md is generated from it (`node scripts/telemetry.mjs`).
 */

/** The allow list of attributes. Values are ids, counts, names from our own code: never what a user typed, an input, a weight or a result. */
export const ATTRIBUTES = {
  "rpc.system.name": { type: "string", about: "always `grpc`" },
  "rpc.method": { type: "string", about: "full name of the method, e.g. `parley.member.v1.MemberService/RunJob`" },
  "rpc.response.status_code": { type: "string", about: "name of the gRPC status, e.g. `OK`, `UNAVAILABLE`" },
  "error.type": { type: "string", about: "reason of a failure, e.g. `QUOTA_USED_UP`, or the gRPC status" },
  "db.system.name": { type: "string", about: "`postgresql`, also for the embedded one" },
  "db.operation.name": { type: "string", about: "name of one of our own statements; never its text or parameters" },
  organisation: { type: "string", about: "name of an organisation" },
  peer: { type: "string", about: "who is on the other side, e.g. `clinic-b/worker`, `router`" },
  outcome: {
    type: "string",
    about: "how something ended: `succeeded`, `failed`, `cancelled`, `lost`, `refused`, `dealt`",
  },
  reason: { type: "string", about: "why it did not succeed: the reason of a Parley error; empty for success" },
  party: { type: "string", about: "`p0` (model owner) or `p1` (data owner)" },
  model: { type: "string", about: "short form of the asset id, see `shortModel`" },
  direction: { type: "string", about: "`sent` or `received`" },
  agreement: { type: "string", about: "id of an agreement" },
  certificate: { type: "string", about: "what a certificate is for, e.g. `service`, `authority`, `worker`" },
  where: { type: "string", about: "`dealer`, `access-point` or `worker`" },
  "cpu.mode": { type: "string", about: "`user` or `system`" },
  "v8js.heap.space.name": { type: "string", about: "name of a heap space of V8" },
  "parley.job.id": { type: "string", about: "id of a job" },
  "parley.attempt.id": { type: "string", about: "id of an attempt" },
  "parley.session.id": { type: "string", about: "id of a session between two workers" },
  "parley.batch.id": { type: "string", about: "id of a batch of correlations" },
  "parley.run": { type: "number", about: "number of the run within its job, from 0" },
  "parley.runs": { type: "number", about: "runs of a job" },
  "parley.records": { type: "number", about: "records of a job, run or reservation" },
  "parley.batches": { type: "number", about: "batches that were dealt or drawn together" },
  "parley.layer.kind": { type: "string", about: "kind of a step of the plan, e.g. `linear`, `relu`" },
  "parley.layer.index": { type: "number", about: "number of a step of the plan, from 0" },
  "parley.messages": { type: "number", about: "messages sent and received" },
  "parley.bytes.sent": { type: "number", about: "bytes sent to the partner's worker" },
  "parley.bytes.received": { type: "number", about: "bytes received from the partner's worker" },
  "parley.wait": { type: "number", about: "seconds spent waiting for the partner's worker" },
  "parley.compute": { type: "number", about: "seconds spent computing" },
} as const satisfies Readonly<
  Record<string, { readonly type: "string" | "number" | "boolean"; readonly about: string }>
>;

export type AttributeName = keyof typeof ATTRIBUTES;
interface Types {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
}
type ValueOf<K extends AttributeName> = Types[(typeof ATTRIBUTES)[K]["type"]];

const RPC = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const JOB = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

interface MetricDefinition {
  readonly instrument: "counter" | "histogram" | "gauge";
  /** UCUM, as in the semantic conventions. */
  readonly unit: string;
  readonly about: string;
  readonly attributes: readonly AttributeName[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
  /** Who measures it. */
  readonly by: string;
}

const EVERY = "every service";

export const METRICS = {
  "rpc.server.call.duration": {
    instrument: "histogram",
    unit: "s",
    about: "Duration of calls that this process answered; a stream counts when it ends",
    attributes: ["rpc.method", "rpc.response.status_code"],
    buckets: RPC,
    by: EVERY,
  },
  "rpc.client.call.duration": {
    instrument: "histogram",
    unit: "s",
    about: "Duration of calls that this process made; a stream counts when it ends",
    attributes: ["rpc.method", "rpc.response.status_code"],
    buckets: RPC,
    by: EVERY,
  },
  "db.client.operation.duration": {
    instrument: "histogram",
    unit: "s",
    about: "Duration of the named statements on the way of every job",
    attributes: ["db.system.name", "db.operation.name"],
    buckets: RPC,
    by: "router services, dealer",
  },
  "parley.queue.depth": {
    instrument: "gauge",
    unit: "{job}",
    about: "Jobs that wait for an attempt",
    attributes: ["organisation"],
    by: "scheduler",
  },
  "parley.queue.oldest_age": {
    instrument: "gauge",
    unit: "s",
    about: "How long the oldest waiting job has waited",
    attributes: ["organisation"],
    by: "scheduler",
  },
  "parley.job.ended": {
    instrument: "counter",
    unit: "{job}",
    about: "Jobs that ended",
    attributes: ["outcome"],
    by: "scheduler, access point",
  },
  "parley.job.duration": {
    instrument: "histogram",
    unit: "s",
    about: "From the receipt of a job to its end",
    attributes: ["outcome"],
    buckets: JOB,
    by: "access point",
  },
  "parley.attempt.ended": {
    instrument: "counter",
    unit: "{attempt}",
    about: "Attempts that ended",
    attributes: ["outcome", "reason"],
    by: "scheduler, access point",
  },
  "parley.session.ended": {
    instrument: "counter",
    unit: "{session}",
    about: "Sessions between two workers that ended",
    attributes: ["party", "outcome", "reason"],
    by: "worker",
  },
  "parley.session.active": {
    instrument: "gauge",
    unit: "{session}",
    about: "Sessions that are open, prepared or running",
    attributes: ["party"],
    by: "worker",
  },
  "parley.online.duration": {
    instrument: "histogram",
    unit: "s",
    about: "Online phase of a run, from bind to result",
    attributes: ["party", "model"],
    buckets: JOB,
    by: "worker",
  },
  "parley.offline.duration": {
    instrument: "histogram",
    unit: "s",
    about: "Preparation of a session: batch and shares",
    attributes: ["party", "model"],
    buckets: JOB,
    by: "worker",
  },
  "parley.online.io": {
    instrument: "counter",
    unit: "By",
    about: "Bytes between the two workers in online phases",
    attributes: ["party", "direction"],
    by: "worker",
  },
  "parley.stock.batches": {
    instrument: "gauge",
    unit: "{batch}",
    about: "Prepared sessions and drawn batches that wait for a run",
    attributes: ["model"],
    by: "worker",
  },
  "parley.dealer.correlations": {
    instrument: "counter",
    unit: "{correlation}",
    about: "Correlations dealt",
    attributes: [],
    by: "dealer",
  },
  "parley.dealer.batches": {
    instrument: "counter",
    unit: "{batch}",
    about: "Parts of batches that were asked for: dealt or refused",
    attributes: ["outcome"],
    by: "dealer",
  },
  "parley.ledger.refusals": {
    instrument: "counter",
    unit: "{batch}",
    about: "Refusals because a batch, or a run, had been used before: somebody tried to reuse it",
    attributes: ["where"],
    by: "dealer, access point, worker",
  },
  "parley.quota.used": {
    instrument: "gauge",
    unit: "{record}",
    about: "Records of an agreement in force that are used up, bound or reserved",
    attributes: ["agreement"],
    by: "access point of the model owner (its count holds), agreements",
  },
  "parley.quota.limit": {
    instrument: "gauge",
    unit: "{record}",
    about: "Records that an agreement in force allows",
    attributes: ["agreement"],
    by: "access point of the model owner, agreements",
  },
  "parley.certificate.remaining": {
    instrument: "gauge",
    unit: "s",
    about: "Time until a certificate in use expires",
    attributes: ["certificate"],
    by: EVERY,
  },
  "parley.certificate.lifetime": {
    instrument: "gauge",
    unit: "s",
    about: "How long that certificate is valid in all",
    attributes: ["certificate"],
    by: EVERY,
  },
  "parley.peer.unreachable": {
    instrument: "counter",
    unit: "{connection}",
    about: "Connections to a peer that could not be made or broke",
    attributes: ["organisation"],
    by: "access point, worker",
  },
  "parley.clock.skew": {
    instrument: "gauge",
    unit: "s",
    about:
      "How far the own clock is ahead of the peer's, when it gave the last token; within a round trip and a second it is 0",
    attributes: ["peer"],
    by: "access point",
  },
  "nodejs.eventloop.delay.p50": {
    instrument: "gauge",
    unit: "s",
    about: "Median delay of the event loop since the last reading",
    attributes: [],
    by: EVERY,
  },
  "nodejs.eventloop.delay.p99": {
    instrument: "gauge",
    unit: "s",
    about: "99th percentile of the event loop's delay since the last reading",
    attributes: [],
    by: EVERY,
  },
  "nodejs.eventloop.delay.max": {
    instrument: "gauge",
    unit: "s",
    about: "Largest delay of the event loop since the last reading",
    attributes: [],
    by: EVERY,
  },
  "nodejs.eventloop.utilization": {
    instrument: "gauge",
    unit: "1",
    about: "Share of the time since the last reading in which the event loop was busy",
    attributes: [],
    by: EVERY,
  },
  "process.cpu.time": {
    instrument: "counter",
    unit: "s",
    about: "Processor time",
    attributes: ["cpu.mode"],
    by: EVERY,
  },
  "process.memory.usage": {
    instrument: "gauge",
    unit: "By",
    about: "Resident memory",
    attributes: [],
    by: EVERY,
  },
  "process.uptime": {
    instrument: "gauge",
    unit: "s",
    about: "Time since the process started",
    attributes: [],
    by: EVERY,
  },
  "v8js.memory.heap.used": {
    instrument: "gauge",
    unit: "By",
    about: "Heap in use",
    attributes: ["v8js.heap.space.name"],
    by: EVERY,
  },
  "v8js.memory.heap.limit": {
    instrument: "gauge",
    unit: "By",
    about: "Heap that V8 has taken from the system",
    attributes: ["v8js.heap.space.name"],
    by: EVERY,
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;
type OfInstrument<I extends string> = {
  [K in MetricName]: (typeof METRICS)[K]["instrument"] extends I ? K : never;
}[MetricName];
export type CounterName = OfInstrument<"counter">;
export type HistogramName = OfInstrument<"histogram">;
export type GaugeName = OfInstrument<"gauge">;
/** All of a metric's attributes; none may be left out, so that its series do not differ in labels. */
export type MetricAttributes<K extends MetricName> = {
  readonly [A in (typeof METRICS)[K]["attributes"][number]]: ValueOf<A>;
};

interface SpanDefinition {
  readonly kind: "internal" | "server" | "client";
  readonly about: string;
  readonly attributes: readonly AttributeName[];
  readonly by: string;
}

const RPC_ATTRIBUTES = ["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type", "peer"] as const;

/** Spans of calls are named after their method (`rpc.method`); all others as here. */
export const SPANS = {
  "rpc.server": {
    kind: "server",
    about: "A call that this process answered; named after its method",
    attributes: RPC_ATTRIBUTES,
    by: EVERY,
  },
  "rpc.client": {
    kind: "client",
    about: "A call that this process made; named after its method",
    attributes: RPC_ATTRIBUTES,
    by: EVERY,
  },
  "db.query": {
    kind: "client",
    about:
      "A named statement on the way of every job; named after it. Statements shared by several jobs belong to the first",
    attributes: ["db.system.name", "db.operation.name", "error.type"],
    by: "router services, dealer",
  },
  "parley.job": {
    kind: "internal",
    about: "A job, from its receipt to its end; the root where the caller sends no trace",
    attributes: ["parley.job.id", "parley.records", "model", "outcome", "error.type"],
    by: "access point of the data owner",
  },
  "parley.reserve": {
    kind: "internal",
    about: "Reservation of a job's records, over the scheduler's stream to agreements",
    attributes: ["parley.records", "error.type"],
    by: "scheduler",
  },
  "parley.queue": {
    kind: "internal",
    about: "A job's wait, from its creation, or the end of its last attempt, until an attempt takes it",
    attributes: ["parley.job.id", "parley.attempt.id", "organisation"],
    by: "scheduler",
  },
  "parley.attempt": {
    kind: "internal",
    about: "An attempt of a job, from its order to its end",
    attributes: ["parley.job.id", "parley.attempt.id", "parley.runs", "outcome", "error.type"],
    by: "access point of the data owner",
  },
  "parley.bind": {
    kind: "internal",
    about: "The model owner's access point verifies a ticket and binds a run",
    attributes: ["parley.job.id", "parley.attempt.id", "parley.run", "parley.records", "error.type"],
    by: "access point of the model owner",
  },
  "parley.run": {
    kind: "internal",
    about: "A run at one of the two workers; linked to the preparation of its session, which is older",
    attributes: [
      "parley.job.id",
      "parley.attempt.id",
      "parley.session.id",
      "parley.run",
      "parley.records",
      "party",
      "model",
      "peer",
      "outcome",
      "error.type",
    ],
    by: "worker",
  },
  "parley.online": {
    kind: "internal",
    about: "The online phase of a run",
    attributes: [
      "party",
      "model",
      "parley.messages",
      "parley.bytes.sent",
      "parley.bytes.received",
      "parley.wait",
      "parley.compute",
      "error.type",
    ],
    by: "worker",
  },
  "parley.layer": {
    kind: "internal",
    about: "One step of the plan in an online phase",
    attributes: [
      "party",
      "parley.layer.kind",
      "parley.layer.index",
      "parley.messages",
      "parley.bytes.sent",
      "parley.bytes.received",
      "parley.wait",
      "parley.compute",
    ],
    by: "worker",
  },
  "parley.offline.prepare": {
    kind: "internal",
    about:
      "Preparation of a session, before its job exists; linked to the drawing of its batch, under which the dealer's spans are",
    attributes: [
      "parley.session.id",
      "parley.batch.id",
      "parley.records",
      "party",
      "model",
      "peer",
      "outcome",
      "error.type",
    ],
    by: "worker",
  },
  "parley.offline.draw": {
    kind: "internal",
    about:
      "Batches of correlations are drawn from the dealer, for this preparation or several; preparations are linked to it",
    attributes: ["parley.batches", "parley.records", "party", "model", "peer", "error.type"],
    by: "worker",
  },
  "parley.dealer.deal": {
    kind: "internal",
    about: "The dealer gives parts of batches",
    attributes: [
      "organisation",
      "party",
      "parley.records",
      "parley.batches",
      "parley.bytes.sent",
      "outcome",
      "error.type",
    ],
    by: "dealer",
  },
} as const satisfies Readonly<Record<string, SpanDefinition>>;

export type SpanName = keyof typeof SPANS;
/** Attributes that a span may have; any may be left out, or set later. */
export type SpanAttributes<K extends SpanName> = {
  readonly [A in (typeof SPANS)[K]["attributes"][number]]?: ValueOf<A>;
};

/** Short form of an asset's id for the attribute `model`: its last eight characters. */
export const shortModel = (assetId: string): string => assetId.slice(-8);

const UNITS: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes", "1": "_ratio" };

/** Name under which Prometheus knows a metric, by OpenTelemetry's rules: unit as suffix, `_total` for counters. */
export function prometheusName(name: MetricName): string {
  const { unit, instrument } = METRICS[name];
  return `${name.replaceAll(".", "_")}${UNITS[unit] ?? ""}${instrument === "counter" ? "_total" : ""}`;
}

/** Name under which Prometheus knows an attribute. */
export const prometheusLabel = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_]/g, "_");
