import {
  acceptAgreement,
  generateSigningKey,
  offerAgreement,
  parseOneTimeToken,
  partyTerms,
  type Terms,
} from "@parley/agreement";
import { correctionBytes, maskBytes } from "@parley/correlation";
import { cost, encodePlan } from "@parley/plan";
import { Code, ParleyError, type dealer } from "@parley/proto";
import {
  readKek,
  createLogger,
  openDatabase,
  rowsOf,
  sealingKey,
  type MetricName,
  type RunningService,
} from "@parley/service-kit";
import { DATABASE_KINDS, testDatabase, recordTelemetry, type TestDatabase } from "@parley/service-kit/testing";
import { sql } from "drizzle-orm";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { DealerContext } from "./app.module.js";
import { readConfig } from "./config.js";
import { DealerScene, collect, plan, type SigningKey } from "./spec-support/scene.js";
import * as schema from "./store/schema.js";

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: ParleyError) => `${Code[error.code]} ${error.reason}`,
  );
const logger = createLogger("dealer", "error");

describe.each(DATABASE_KINDS)("dealer on %s", (kind) => {
  let target: TestDatabase | undefined;
  let scene: DealerScene;
  let service: RunningService;

  const as = (org: string, role: string) => scene.as(service, org, role);
  const start = async (changes: Record<string, string> = {}) => {
    service = await scene.start(changes, logger);
  };
  const party = (id: string) => scene.party(id);
  const terms = (changes?: Partial<Terms>) => scene.terms(service, changes);
  const signer = (org: string) => scene.signer(org);
  const signed = (content: Terms) => scene.signed(content);
  const openMask = (agreement: string, changes?: Partial<dealer.OpenMaskRequest>, org?: string) =>
    scene.openMask(service, { agreement, ...changes }, org);

  beforeAll(async () => {
    target = await testDatabase(kind);
    if (!target) return;
    scene = await DealerScene.make(target, ["clinic-a", "clinic-b", "clinic-c"]);
    await start();
    for (const { services, issuer } of await scene.enrolAll(service)) {
      expect(services?.dealer).toBe(service.addresses.mtls);
      expect(issuer?.signingKey).toEqual(service.app.get(DealerContext).issuer.signingKey);
    }
  });
  afterAll(async () => {
    await scene?.close();
    await target?.remove();
  });

  it("opens a mask under an agreement of both, each time another one, with U of the plan's size", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const jws = signed(terms());
    const [one, two] = [await openMask(jws), await openMask(jws)];
    expect(one.u).toHaveLength(maskBytes(plan));
    expect(one.id.equals(two.id)).toBe(false);
    expect(one.u.equals(two.u)).toBe(false);
  });

  it.for<[string, () => [string, Partial<dealer.OpenMaskRequest>?, string?], string]>([
    ["one signature", () => [offerAgreement(terms(), signer("clinic-a"))], "FAILED_PRECONDITION"],
    [
      "another commitment",
      () => [signed(terms()), { commitment: Buffer.alloc(32) }],
      "FAILED_PRECONDITION COMMITMENT_DIFFERS",
    ],
    [
      "another plan",
      () => [signed(terms()), { plan: Buffer.from(encodePlan({ ...plan, maxRecords: 64 })) }],
      "FAILED_PRECONDITION PLAN_DIFFERS",
    ],
    ["a plan that is not one", () => [signed(terms()), { plan: Buffer.from("[]") }], "INVALID_ARGUMENT"],
    ["the data owner", () => [signed(terms()), {}, "clinic-b"], "PERMISSION_DENIED NOT_MODEL_OWNER"],
    ["another organisation", () => [signed(terms()), {}, "clinic-c"], "PERMISSION_DENIED NOT_MODEL_OWNER"],
    [
      "keys of a data owner that are not the enrolled ones",
      () => {
        const other = generateSigningKey();
        const made = terms({
          dataOwner: { ...party("clinic-b"), signingKey: Buffer.from(other.publicKey).toString("base64url") },
        });
        return [
          acceptAgreement(offerAgreement(made, signer("clinic-a")), {
            org: "clinic-b",
            privateKey: other.privateKeyPem,
          }),
        ];
      },
      "FAILED_PRECONDITION NOT_ENROLLED",
    ],
    [
      "a data owner that never enrolled here",
      () => {
        const other = generateSigningKey();
        const dataOwner = partyTerms({ org: "clinic-z", signingKey: other.publicKey, bundle: scene.operator.bundle });
        return [
          acceptAgreement(offerAgreement(terms({ dataOwner }), signer("clinic-a")), {
            org: "clinic-z",
            privateKey: other.privateKeyPem,
          }),
        ];
      },
      "FAILED_PRECONDITION NOT_ENROLLED",
    ],
    [
      "a bundle of a data owner that is not the enrolled one",
      () => [signed(terms({ dataOwner: { ...party("clinic-b"), bundle: party("clinic-c").bundle } }))],
      "FAILED_PRECONDITION NOT_ENROLLED",
    ],
    [
      "another dealer",
      () => [
        signed(
          terms({
            dealer: {
              ...terms().dealer,
              signingKey: Buffer.from(generateSigningKey().publicKey).toString("base64url"),
            },
          }),
        ),
      ],
      "FAILED_PRECONDITION OTHER_DEALER",
    ],
  ])("opens none for %s", async ([, request, expected], { skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const [jws, changes, org] = request();
    expect(await refusal(openMask(jws, changes, org))).toContain(expected);
  });

  it("gives each part of a batch once, to its organisation and role, with one fingerprint and different keys", async ({
    skip,
  }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms()));
    const [a, b, c] = [await as("clinic-a", "worker"), await as("clinic-b", "worker"), await as("clinic-c", "worker")];
    expect(await refusal(a.createBatches({ maskId, records: 1, count: 1 }))).toBe("NOT_FOUND MASK_NOT_FOUND");
    expect(await refusal(b.createBatches({ maskId, records: 3, count: 1 }))).toBe("INVALID_ARGUMENT RECORDS_INVALID");
    expect(await refusal((await as("clinic-b", "access-point")).createBatches({ maskId, records: 1, count: 1 }))).toBe(
      "PERMISSION_DENIED ROLE_REFUSED",
    );
    const {
      batchIds: [batchId],
    } = await b.createBatches({ maskId, records: 2, count: 1 });
    expect(await refusal(collect(c.fetchParts({ batchIds: [batchId] })))).toBe("FAILED_PRECONDITION PART_REFUSED");
    expect(await refusal(collect((await as("clinic-b", "access-point")).fetchParts({ batchIds: [batchId] })))).toBe(
      "PERMISSION_DENIED ROLE_REFUSED",
    );
    const [part0, part1] = [
      await collect(a.fetchParts({ batchIds: [batchId] })),
      await collect(b.fetchParts({ batchIds: [batchId] })),
    ];
    expect(part0).toHaveLength(1);
    expect(part0[0].parts[0].fingerprint.equals(part1[0].parts[0].fingerprint)).toBe(true);
    expect(part0[0].parts[0].key.equals(part1[0].parts[0].key)).toBe(false);
    expect(Buffer.concat(part1.map((m) => m.chunk))).toHaveLength(correctionBytes(plan, 2));
    expect(await refusal(collect(a.fetchParts({ batchIds: [batchId] })))).toBe("FAILED_PRECONDITION PART_REFUSED");
    expect(await refusal(collect(b.fetchParts({ batchIds: [batchId] })))).toBe("FAILED_PRECONDITION PART_REFUSED");
    expect(await refusal(collect(b.fetchParts({ batchIds: [Buffer.alloc(16)] })))).toBe(
      "FAILED_PRECONDITION PART_REFUSED",
    );
  });

  it("counts what it deals and refuses, and draws each deal under the call that asked for it", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms()));
    const [a, b] = [await as("clinic-a", "worker"), await as("clinic-b", "worker")];
    const { batchIds } = await b.createBatches({ maskId, records: 2, count: 3 });
    const telemetry = recordTelemetry();
    onTestFinished(() => telemetry.end());
    for (const client of [a, b]) await collect(client.fetchParts({ batchIds }));
    await refusal(collect(b.fetchParts({ batchIds })));
    const deals = telemetry.spans.filter(({ name }) => name === "parley.dealer.deal");
    const about = { "parley.batches": 3, "parley.records": 2, outcome: "dealt" };
    expect(deals.map(({ attributes }) => attributes)).toEqual([
      { ...about, organisation: "clinic-a", party: "p0", "parley.bytes.sent": 0 },
      { ...about, organisation: "clinic-b", party: "p1", "parley.bytes.sent": 3 * correctionBytes(plan, 2) },
    ]);
    for (const { parentSpanId } of deals) {
      const call = telemetry.spans.find(({ context, kind }) => context.spanId === parentSpanId && kind === "server");
      expect(call?.name).toBe("parley.dealer.v1.DealerService/FetchParts");
    }
    const metrics = await telemetry.metrics();
    const value = (name: MetricName, outcome?: string) =>
      metrics.get(name)?.find(({ attributes }) => attributes.outcome === outcome)?.value;
    expect(value("parley.dealer.batches", "dealt")).toBe(6);
    expect(value("parley.dealer.batches", "refused")).toBe(3);
    expect(value("parley.ledger.refusals")).toBe(3);
    expect(value("parley.dealer.correlations")).toBe(3 * cost(plan, 2).comparisons);
  });

  it("tells a second use from other refusals: one of two was used, the other is lost, and a third never was", async ({
    skip,
  }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms()));
    const b = await as("clinic-b", "worker");
    const { batchIds } = await b.createBatches({ maskId, records: 1, count: 3 });
    const [used, lost, expired] = batchIds;
    await collect(b.fetchParts({ batchIds: [used] }));
    const { database } = service.app.get(DealerContext);
    await database.db.execute(sql`UPDATE dealer.batch SET expires = now() - interval '1 second' WHERE id = ${expired}`);
    const telemetry = recordTelemetry();
    onTestFinished(() => telemetry.end());
    const refusals = async () => (await telemetry.metrics()).get("parley.ledger.refusals")?.[0]?.value ?? 0;
    await refusal(collect(b.fetchParts({ batchIds: [expired] })));
    expect(await refusals()).toBe(0);
    await refusal(collect(b.fetchParts({ batchIds: [used, lost] })));
    expect(await refusals()).toBe(1);
    await refusal(collect(b.fetchParts({ batchIds: [lost] })));
    expect(await refusals()).toBe(2);
  });

  it("gives parts of several batches in one call, each as if alone, and none where one of them is refused", async ({
    skip,
  }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms()));
    const [a, b] = [await as("clinic-a", "worker"), await as("clinic-b", "worker")];
    for (const count of [0, 65])
      expect(await refusal(b.createBatches({ maskId, records: 1, count }))).toBe("INVALID_ARGUMENT COUNT_INVALID");
    const { batchIds } = await b.createBatches({ maskId, records: 2, count: 5 });
    expect(new Set(batchIds.map((id) => id.toString("hex"))).size).toBe(5);
    const [part0, part1] = [await collect(a.fetchParts({ batchIds })), await collect(b.fetchParts({ batchIds }))];
    const [keys0, keys1] = [part0[0].parts, part1[0].parts];
    expect(keys0.map((k) => k.fingerprint)).toEqual(keys1.map((k) => k.fingerprint));
    expect(new Set([...keys0, ...keys1].map((k) => k.key.toString("hex"))).size).toBe(10);
    const bytes = correctionBytes(plan, 2);
    expect(Number(part1[0].correctionBytes)).toBe(bytes);
    const corrections = Buffer.concat(part1.map((m) => m.chunk));
    expect(corrections).toHaveLength(5 * bytes);
    expect(corrections.subarray(0, bytes).equals(corrections.subarray(bytes, 2 * bytes))).toBe(false);
    const { batchIds: more } = await b.createBatches({ maskId, records: 2, count: 2 });
    expect(await refusal(collect(b.fetchParts({ batchIds: [more[0], batchIds[0]] })))).toBe(
      "FAILED_PRECONDITION PART_REFUSED",
    );
    expect(await refusal(collect(b.fetchParts({ batchIds: [more[1], more[1]] })))).toBe(
      "FAILED_PRECONDITION PART_REFUSED",
    );
  });

  it("lets one of twenty simultaneous requests have a part", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms()));
    const b = await as("clinic-b", "worker");
    const {
      batchIds: [batchId],
    } = await b.createBatches({ maskId, records: 1, count: 1 });
    const clients = await Promise.all(Array.from({ length: 4 }, () => as("clinic-b", "worker")));
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, i) => refusal(collect(clients[i % 4].fetchParts({ batchIds: [batchId] })))),
    );
    expect(outcomes.filter((o) => o === "no error")).toHaveLength(1);
    expect(outcomes.filter((o) => o === "FAILED_PRECONDITION PART_REFUSED")).toHaveLength(19);
  });

  it("gives no part of an expired batch, of an ended mask, and too many batches to nobody", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms({ maxPrepared: 1 })));
    const [a, b] = [await as("clinic-a", "access-point"), await as("clinic-b", "worker")];
    const {
      batchIds: [batchId],
    } = await b.createBatches({ maskId, records: 1, count: 1 });
    const { database } = service.app.get(DealerContext);
    await database.db.execute(sql`UPDATE dealer.batch SET expires = now() - interval '1 second' WHERE id = ${batchId}`);
    expect(await refusal(collect(b.fetchParts({ batchIds: [batchId] })))).toBe("FAILED_PRECONDITION PART_REFUSED");
    const second = await b.createBatches({ maskId, records: 1, count: 1 });
    for (let i = 0; i < 3; i++) await b.createBatches({ maskId, records: 1, count: 64 });
    await b.createBatches({ maskId, records: 1, count: 63 });
    expect(await refusal(b.createBatches({ maskId, records: 1, count: 1 }))).toBe(
      "RESOURCE_EXHAUSTED TOO_MANY_BATCHES",
    );
    expect(await refusal((await as("clinic-c", "access-point")).endMask({ maskId }))).toBe("NOT_FOUND MASK_NOT_FOUND");
    await a.endMask({ maskId });
    expect(await refusal(collect(b.fetchParts(second)))).toBe("FAILED_PRECONDITION PART_REFUSED");
    expect(await refusal(b.createBatches({ maskId, records: 1, count: 1 }))).toBe("NOT_FOUND MASK_NOT_FOUND");
    const rows = await database.db.select().from(schema.masks);
    expect(rows.find((r) => r.id.equals(maskId))?.sealed).toBeNull();
  });

  it("after a restart voids what an embedded database may have forgotten; PostgreSQL goes on", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms()));
    const before = await as("clinic-b", "worker");
    const {
      batchIds: [batchId],
    } = await before.createBatches({ maskId, records: 1, count: 1 });
    await service.close();
    await start();
    const b = await as("clinic-b", "worker");
    expect(await refusal(collect(b.fetchParts({ batchIds: [batchId] })))).toBe(
      kind === "pglite" ? "FAILED_PRECONDITION PART_REFUSED" : "no error",
    );
    const fresh = await b.createBatches({ maskId, records: 1, count: 1 });
    expect(await refusal(collect(b.fetchParts(fresh)))).toBe("no error");
  });

  it("gives nothing to a name whose key is no longer the one that the mask was opened under", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms()));
    const b = await as("clinic-b", "worker");
    const {
      batchIds: [batchId],
    } = await b.createBatches({ maskId, records: 1, count: 1 });
    const { database } = service.app.get(DealerContext);
    const rename = (key: Uint8Array) =>
      database.db.execute(
        sql`UPDATE dealer.organisation SET signing_key = ${Buffer.from(key)} WHERE id IN ('clinic-a', 'clinic-b')`,
      );
    const keys = await database.db.select().from(schema.organisations);
    await rename(generateSigningKey().publicKey);
    const outcomes = [
      await refusal(collect(b.fetchParts({ batchIds: [batchId] }))),
      await refusal(collect((await as("clinic-a", "worker")).fetchParts({ batchIds: [batchId] }))),
      await refusal(b.createBatches({ maskId, records: 1, count: 1 })),
      await refusal((await as("clinic-a", "access-point")).endMask({ maskId })),
    ];
    for (const { id, signingKey } of keys)
      await database.db.execute(sql`UPDATE dealer.organisation SET signing_key = ${signingKey} WHERE id = ${id}`);
    expect(outcomes).toEqual([
      "FAILED_PRECONDITION PART_REFUSED",
      "FAILED_PRECONDITION PART_REFUSED",
      "NOT_FOUND MASK_NOT_FOUND",
      "NOT_FOUND MASK_NOT_FOUND",
    ]);
    expect(await refusal(collect(b.fetchParts({ batchIds: [batchId] })))).toBe("no error");
  });

  it("ends masks and voids batches of a name that enrols with another key, also when the old key comes back", async ({
    skip,
  }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms()));
    const b = await as("clinic-b", "worker");
    const {
      batchIds: [batchId],
    } = await b.createBatches({ maskId, records: 1, count: 1 });
    const enrolAgain = async (key: SigningKey) => {
      scene.member("clinic-b").key = key;
      await scene.enrol(service, "clinic-b");
    };
    const { key: old } = scene.member("clinic-b");
    await enrolAgain(old);
    expect(await refusal(collect(b.fetchParts({ batchIds: [batchId] })))).toBe("no error"); // the same key changes nothing
    const other = await b.createBatches({ maskId, records: 1, count: 1 });
    await enrolAgain(generateSigningKey());
    await enrolAgain(old);
    expect(await refusal(collect(b.fetchParts(other)))).toBe("FAILED_PRECONDITION PART_REFUSED");
    expect(await refusal(collect((await as("clinic-a", "worker")).fetchParts(other)))).toBe(
      "FAILED_PRECONDITION PART_REFUSED",
    );
    expect(await refusal(b.createBatches({ maskId, records: 1, count: 1 }))).toBe("NOT_FOUND MASK_NOT_FOUND");
    const { database } = service.app.get(DealerContext);
    const mask = (await database.db.select().from(schema.masks)).find((row) => row.id.equals(maskId));
    expect(mask?.sealed).toBeNull();
    const batch = (await database.db.select().from(schema.batches)).find((row) => row.id.equals(other.batchIds[0]));
    expect(batch?.voidedAt).not.toBeNull();
  });

  it("keeps the limit of unspent batches also where many ask at the same time", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms({ maxPrepared: 1 })));
    const b = await as("clinic-b", "worker");
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, () => refusal(b.createBatches({ maskId, records: 1, count: 16 }))),
    );
    expect(outcomes.filter((o) => o === "no error")).toHaveLength(16);
  });

  it("commits to disk whatever the database's own setting", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    if (kind === "pglite") return skip("an embedded database has no such setting");
    const setting = async () => {
      const { database } = service.app.get(DealerContext);
      return rowsOf<{ synchronous_commit: string }>(await database.db.execute(sql`SHOW synchronous_commit`));
    };
    const { database } = service.app.get(DealerContext);
    const [{ name }] = rowsOf<{ name: string }>(await database.db.execute(sql`SELECT current_database() AS name`));
    await database.db.execute(sql.raw(`ALTER DATABASE "${name}" SET synchronous_commit = off`));
    await service.close();
    await start();
    expect(await setting()).toEqual([{ synchronous_commit: "on" }]);
  });

  it("on replicas of one database gives a part once, and each knows whom another enrolled", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    if (kind === "pglite") return skip("one process has an embedded database");
    const first = service;
    await start();
    const second = service;
    try {
      await scene.add("clinic-d");
      await scene.enrol(service, "clinic-d");
      service = first;
      await first.app.get(DealerContext).follow(logger);
      const stranger = await as("clinic-d", "worker");
      expect(await refusal(collect(stranger.fetchParts({ batchIds: [Buffer.alloc(16)] })))).toBe(
        "FAILED_PRECONDITION PART_REFUSED",
      );
      const { id: maskId } = await openMask(signed(terms()));
      const one = await as("clinic-b", "worker");
      service = second;
      const two = await as("clinic-b", "worker");
      const {
        batchIds: [batchId],
      } = await two.createBatches({ maskId, records: 1, count: 1 });
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, i) => refusal(collect((i % 2 ? one : two).fetchParts({ batchIds: [batchId] })))),
      );
      expect(outcomes.filter((o) => o === "no error")).toHaveLength(1);
      const { dealings } = first.app.get(DealerContext);
      const other = second.app.get(DealerContext).dealings;
      await (await as("clinic-a", "access-point")).endMask({ maskId });
      await first.app.get(DealerContext).follow(logger);
      expect([...dealings.maskIds, ...other.maskIds].some((id) => id.equals(maskId))).toBe(false);
    } finally {
      service = first;
      await second.close();
    }
  });

  it("after a restore voids every older batch where its operator says so", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { id: maskId } = await openMask(signed(terms()));
    const {
      batchIds: [batchId],
    } = await (await as("clinic-b", "worker")).createBatches({ maskId, records: 1, count: 1 });
    await service.close();
    await start({ PARLEY_DEALER_VOID_AT_START: "true" });
    const b = await as("clinic-b", "worker");
    expect(await refusal(collect(b.fetchParts({ batchIds: [batchId] })))).toBe("FAILED_PRECONDITION PART_REFUSED");
    expect(await refusal(collect(b.fetchParts(await b.createBatches({ maskId, records: 1, count: 1 }))))).toBe(
      "no error",
    );
  });

  it("does not start with another key-encryption key", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    await openMask(signed(terms()));
    await service.close();
    await expect(start({ PARLEY_DEALER_KEK_FILE: scene.keyFile("other-kek", 5) })).rejects.toThrow(
      /sealed under key-encryption key [0-9a-f]{16}, which is not the given one/,
    );
    await start();
  });

  it("names another address in tokens where it is reached by one", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    await service.close();
    const outside = "enrol.dealer.example.org:443";
    await start({ PARLEY_ENROL_ADDRESS: outside });
    const admin = await as("dealer", "operator");
    const { token } = await admin.createEnrolmentToken({ organisationId: "clinic-o", validSeconds: 60 });
    expect(parseOneTimeToken(token).address).toBe(outside);
    await service.close();
    await start();
  });

  it("erases period keys whose batches are over, and keeps those that are not", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { ledger, database } = service.app.get(DealerContext);
    const { id: maskId } = await openMask(signed(terms()));
    const b = await as("clinic-b", "worker");
    const {
      batchIds: [batchId],
    } = await b.createBatches({ maskId, records: 1, count: 1 });
    await database.db.execute(sql`UPDATE dealer.period_key SET starts_at = now() - interval '26 hours'`);
    await ledger.erasePeriods();
    expect(await refusal(collect(b.fetchParts({ batchIds: [batchId] })))).toBe("no error");
    await database.db.execute(sql`UPDATE dealer.batch SET expires = now() - interval '1 second'`);
    expect(await ledger.erasePeriods()).toBeGreaterThan(0);
    const left = (await database.db.select().from(schema.periodKeys)).filter((p) => p.sealed !== null);
    expect(left.every((p) => p.startsAt.getTime() > Date.now() - 25 * 3_600_000)).toBe(true);
  });
});

describe("dealer", () => {
  it("does not run in production on an embedded database, nor without its key-encryption key", async () => {
    const target = await testDatabase("pglite");
    if (!target) return;
    const base = {
      PARLEY_ENV: "production",
      PARLEY_DATA_DIR: target.dataDir,
      PARLEY_TLS_CERT: "c",
      PARLEY_TLS_KEY: "k",
      PARLEY_TLS_CA: "a",
    };
    expect(() => readConfig(base)).toThrow("does not run on an embedded database in production");
    const logger = createLogger("dealer", "error");
    expect(() => readKek(join(target.dataDir, "none"), "PARLEY_DEALER_KEK_FILE", true, logger)).toThrow(
      "production makes no keys",
    );
    await target.remove();
  });

  it("erases an expanded mask that ended while it was dealt from, when its last user is done", async () => {
    const { Dealings } = await import("./domain/dealings.js");
    const { Sealing } = await import("./domain/sealing.js");
    const { maskName } = await import("./domain/keys.js");
    const kek = sealingKey(Buffer.alloc(32, 1));
    const sealing = new Sealing({ current: kek });
    const id = Buffer.alloc(32, 3);
    const mask = {
      id,
      sealed: sealing.seal(Buffer.alloc(32, 2), maskName(id), kek.id),
      plan: Buffer.from(encodePlan(plan)).toString("utf8"),
      agreementDigest: id,
      planDigest: id,
      org0: "clinic-a",
      org1: "clinic-b",
      key0: id,
      key1: id,
      maxPrepared: 1,
      expires: new Date(),
      endedAt: null,
    };
    const dealings = new Dealings(sealing);
    const [one, two] = [dealings.use(mask), dealings.use(mask)];
    const destroyed = vi.spyOn(one.dealing, "destroy");
    expect(two.dealing).toBe(one.dealing);
    dealings.forget(id);
    one.done();
    expect(destroyed).not.toHaveBeenCalled();
    two.done();
    expect(destroyed).toHaveBeenCalledOnce();
  });

  it("notes refusals of an organisation sixty times a minute and counts the others", async () => {
    const { RefusalNotes } = await import("./domain/refusal-notes.js");
    let now = 0;
    const notes = new RefusalNotes(() => now);
    const many = Array.from({ length: 100 }, () => notes.note("clinic-b"));
    expect(many.filter(Boolean)).toHaveLength(60);
    expect(notes.note("clinic-a")).toEqual({ leftOut: 0 });
    now = 60_000;
    expect(notes.note("clinic-b")).toEqual({ leftOut: 40 });
    expect(notes.note("clinic-b")).toEqual({ leftOut: 0 });
  });

  it("keeps no key in the clear in its files", async () => {
    const target = await testDatabase("pglite");
    if (!target) return;
    const { Sealing } = await import("./domain/sealing.js");
    const migrationsFolder = fileURLToPath(new URL("../migrations", import.meta.url));
    const database = await openDatabase({ service: "dealer", schema, migrationsFolder, dataDir: target.dataDir });
    const key = Buffer.from("0123456789abcdef0123456789ABCDEF");
    const kek = sealingKey(Buffer.alloc(32, 1));
    const sealing = new Sealing({ current: kek });
    const sealed = sealing.seal(key, Buffer.from("name"), kek.id);
    await database.db.insert(schema.periodKeys).values({ id: Buffer.alloc(16), sealed });
    await database.close();
    const files = readdirSync(target.dataDir, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
    const holds = (secret: Buffer) => files.some((e) => readFileSync(join(e.parentPath, e.name)).includes(secret));
    expect(holds(sealed)).toBe(true);
    expect(holds(key)).toBe(false);
    expect(sealing.open(sealed, Buffer.from("name")).equals(key)).toBe(true);
    expect(() => sealing.open(sealed, Buffer.from("other"))).toThrow("does not open");
    const other = new Sealing({ current: sealingKey(Buffer.alloc(32, 2)) });
    expect(() => other.open(sealed, Buffer.from("name"))).toThrow("does not open");
    await target.remove();
  });
});
