import { Code, fleet, type registry } from "@parley/proto";
import { decodeWeights, weightsCommitment } from "@parley/model";
import { parsePlan, planDigest } from "@parley/plan";
import { connect } from "@parley/service-kit";
import { testOrganisation } from "@parley/service-kit/testing";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeWorker } from "./testing/fake-worker.js";
import { Fixture, MODEL, publish, submit, until } from "./testing/fixture.js";

const refused = (reason: string, code: Code, hint = /.?/) =>
  expect.objectContaining({ reason, code, hint: expect.stringMatching(hint) });

describe("an access point", () => {
  let system: Fixture;
  let asset: registry.Asset;
  beforeAll(async () => {
    system = await Fixture.start();
  });
  afterAll(() => system.close());

  it("makes its keys at the first start, readable for its user alone, and keeps them", async () => {
    const { a } = system;
    for (const name of ["ca-key.pem", "signing-key.pem", "admin-key", "vault.sqlite"])
      expect(statSync(join(a.folder, name)).mode & 0o777).toBe(0o600);
    const { organisation } = await a.member.getOrganisation({ organisationId: "" });
    await a.stop();
    await a.start();
    const again = await a.member.getOrganisation({ organisationId: "" });
    expect(again.organisation).toEqual(organisation);
    expect((await a.member.whoAmI({})).roles).toEqual(["admin"]);
  });

  it("says what is missing before it is enrolled", async () => {
    await expect(system.a.member.getAsset({ assetId: "mdl_x" })).rejects.toEqual(
      refused("NOT_ENROLLED", Code.FAILED_PRECONDITION, /parley org enrol --router TOKEN/),
    );
    await expect(system.a.member.getOrganisation({ organisationId: "dealer" })).rejects.toEqual(
      refused("DEALER_UNKNOWN", Code.NOT_FOUND, /--dealer TOKEN/),
    );
  });

  it("enrols with one-time tokens, each once", async () => {
    await system.enrol(system.a);
    await system.enrol(system.b);
    expect(system.router.organisations.get("clinic-a")!.signingKey.length).toBe(32);
    const token = system.router.enrolmentToken("clinic-a");
    await system.a.member.enrolOrganisation({ token, operator: 1 });
    await expect(system.a.member.enrolOrganisation({ token, operator: 1 })).rejects.toMatchObject({
      code: Code.PERMISSION_DENIED,
    });
    await expect(system.a.member.enrolOrganisation({ token: "x", operator: 1 })).rejects.toEqual(
      refused("ONE_TIME_TOKEN_INVALID", Code.INVALID_ARGUMENT),
    );
  });

  it("gives keys with roles, and checks them for each call", async () => {
    const { a } = system;
    const { apiKey } = await a.member.createApiKey({ user: "ana", roles: ["scientist"] });
    const ana = a.as(apiKey);
    expect(await ana.whoAmI({})).toMatchObject({ user: "ana", roles: ["scientist"] });
    for (const call of [
      () => ana.createApiKey({ user: "eve", roles: ["admin"] }),
      () => ana.createWorkerToken({ validSeconds: 1, reusable: false }),
      () => ana.trustOrganisation({ organisationId: "clinic-b", fingerprint: "00".repeat(32) }),
      () => ana.enrolOrganisation({ token: "x", operator: 1 }),
      () => publish(ana, MODEL, "x", ""),
      () => ana.acceptAgreement({ agreementId: "agr_x" }),
      () => ana.revokeAgreement({ agreementId: "agr_x", reason: "" }),
      () => ana.listAudit({ subject: "", page: undefined }),
    ])
      await expect(call()).rejects.toEqual(refused("ROLE_MISSING", Code.PERMISSION_DENIED));
    const { apiKey: short } = await a.member.createApiKey({ user: "leaving", roles: ["scientist"] });
    const leaving = a.as(short);
    expect((await leaving.whoAmI({})).user).toBe("leaving");
    await expect(leaving.revokeApiKey({ user: "leaving" })).rejects.toEqual(
      refused("ROLE_MISSING", Code.PERMISSION_DENIED),
    );
    await a.member.revokeApiKey({ user: "leaving" });
    await expect(leaving.whoAmI({})).rejects.toEqual(refused("API_KEY_REFUSED", Code.UNAUTHENTICATED));
    await expect(a.member.revokeApiKey({ user: "leaving" })).rejects.toEqual(refused("USER_UNKNOWN", Code.NOT_FOUND));
    await expect(a.member.revokeApiKey({ user: "admin" })).rejects.toEqual(
      refused("LAST_ADMINISTRATOR", Code.FAILED_PRECONDITION),
    );
    await expect(a.member.createApiKey({ user: "ana", roles: ["auditor"] })).rejects.toEqual(
      refused("USER_EXISTS", Code.ALREADY_EXISTS),
    );
    await expect(a.member.createApiKey({ user: "eve", roles: ["root"] })).rejects.toEqual(
      refused("ROLES", Code.INVALID_ARGUMENT),
    );
    for (const wrong of ["", "prl_x", `${apiKey}x`, "identity-token"])
      await expect(a.as(wrong).whoAmI({})).rejects.toEqual(refused("API_KEY_REFUSED", Code.UNAUTHENTICATED));
    ana.close();
  });

  it("publishes a model: plan and commitment to the registry, weights to the vault alone", async () => {
    const { a } = system;
    const answer = await system.publish();
    asset = answer.asset!;
    expect(answer.warnings).toEqual([]);
    const plan = parsePlan(JSON.parse(asset.plan.toString()));
    expect(asset.planDigest.equals(planDigest(plan))).toBe(true);
    expect(asset).toMatchObject({ organisationId: "clinic-a", version: 1, name: "digits" });
    expect(readdirSync(join(a.folder, "weights"))).toEqual([asset.id]);
    expect((await system.publish()).asset!.id).toBe(asset.id);
    const other = await publish(a.member, MODEL, "digits", "");
    expect(other.asset!.version).toBe(2);
    expect(other.warnings[0]).toMatch(/-256 to 256/);
  });

  it("refuses what is no model, naming what is wrong", async () => {
    const { a } = system;
    await expect(publish(a.member, Buffer.from("this is no model at all"), "bad", "")).rejects.toMatchObject({
      code: Code.INVALID_ARGUMENT,
    });
    await expect(publish(a.member, Buffer.alloc(0), "bad", "")).rejects.toEqual(
      refused("MODEL_EMPTY", Code.INVALID_ARGUMENT),
    );
    await expect(publish(a.member, MODEL, "bad", "{")).rejects.toEqual(refused("JSON", Code.INVALID_ARGUMENT));
    await expect(publish(a.member, MODEL, "bad", '{"lo":0}')).rejects.toEqual(refused("JSON", Code.INVALID_ARGUMENT));
    await expect(publish(a.member, MODEL, "", "")).rejects.toEqual(refused("NAME", Code.INVALID_ARGUMENT));
    await expect(a.member.publishAsset([])).rejects.toEqual(refused("HEADER_MISSING", Code.INVALID_ARGUMENT));
  });

  it("offers and accepts only with partners and a dealer that people compared", async () => {
    const { a, b } = system;
    const offer = {
      assetId: asset.id,
      organisationId: "clinic-b",
      records: 5n,
      expires: new Date(Date.now() + 60_000),
      output: "logits",
      purpose: "test",
      maxPrepared: 0,
    };
    await expect(a.member.offerAgreement(offer)).rejects.toEqual(
      refused("NOT_TRUSTED", Code.FAILED_PRECONDITION, /parley org trust clinic-b --fingerprint/),
    );
    await expect(
      a.member.trustOrganisation({ organisationId: "clinic-b", fingerprint: "ab".repeat(32) }),
    ).rejects.toEqual(refused("FINGERPRINT_DIFFERS", Code.FAILED_PRECONDITION));
    await expect(a.member.trustOrganisation({ organisationId: "clinic-b", fingerprint: "ab" })).rejects.toEqual(
      refused("FINGERPRINT", Code.INVALID_ARGUMENT),
    );
    const { organisation } = await b.member.getOrganisation({ organisationId: "" });
    await a.member.trustOrganisation({
      organisationId: "clinic-b",
      fingerprint: organisation!.fingerprint.toUpperCase().replace(/(..)(?=.)/g, "$1:"),
    });
    await expect(a.member.offerAgreement(offer)).rejects.toEqual(
      refused("NOT_TRUSTED", Code.FAILED_PRECONDITION, /parley org trust dealer --fingerprint/),
    );
    await system.trust(a, b);
    expect((await a.member.getOrganisation({ organisationId: "clinic-b" })).trusted).toBe(true);
    for (const [change, reason] of [
      [{ records: 0n }, "RECORDS"],
      [{ expires: new Date(0) }, "EXPIRES"],
      [{ output: "label" }, "OUTPUT_POLICY"],
      [{ organisationId: "clinic-a" }, "OWN_ORGANISATION"],
      [{ assetId: "mdl_x" }, "ASSET_UNKNOWN"],
    ] as const)
      await expect(a.member.offerAgreement({ ...offer, ...change })).rejects.toMatchObject({ reason });
    const { agreement } = await a.member.offerAgreement(offer);
    await expect(b.member.acceptAgreement({ agreementId: agreement!.id })).rejects.toEqual(
      refused("NOT_TRUSTED", Code.FAILED_PRECONDITION, /parley org trust clinic-a/),
    );
    await system.trust(b, a);
    await expect(a.member.acceptAgreement({ agreementId: agreement!.id })).rejects.toEqual(
      refused("OWN_OFFER", Code.FAILED_PRECONDITION),
    );
    await b.member.acceptAgreement({ agreementId: agreement!.id });
    const { terms } = await b.member.getAgreement({ agreementId: agreement!.id });
    expect(JSON.parse(terms)).toMatchObject({ id: agreement!.id, records: 5, purpose: "test" });
    await b.member.revokeAgreement({ agreementId: agreement!.id, reason: "done" });
    expect(new Set(system.router.revocations).size).toBe(1); // sent until it is taken, perhaps twice
  });

  it("publishes with one width for all layers where asked, and the terms say whether widths tell of single layers", async () => {
    const { a } = system;
    const onnx = readFileSync(new URL("../../../examples/mnist/c.onnx", import.meta.url));
    for (const uniform of [false, true]) {
      const { asset: made } = await publish(a.member, onnx, "digits-c", '{"lo":0,"hi":1}', uniform);
      const { steps } = parsePlan(JSON.parse(made!.plan.toString()));
      expect(new Set(steps.flatMap((step) => ("width" in step ? [step.width] : []))).size === 1).toBe(uniform);
      const { agreement } = await a.member.offerAgreement({
        assetId: made!.id,
        organisationId: "clinic-b",
        records: 5n,
        expires: new Date(Date.now() + 3_600_000),
        output: "logits",
        purpose: "",
        maxPrepared: 0,
      });
      const { terms } = await a.member.getAgreement({ agreementId: agreement!.id });
      expect(JSON.parse(terms)).toMatchObject({ perLayerWidths: !uniform });
    }
  }, 30_000);

  it("masks the model: D = W - U for every weight, and neither W nor U is in the vault's file", async () => {
    const { a, dealer } = system;
    const before = dealer.masks.size;
    dealer.breakNext = true; // a broken stream is a lost mask; another one is opened
    const id = await system.agree(asset.id);
    expect(dealer.masks.size).toBe(before + 2);
    const worker = (await a.worker("w1")).attach({ endpoint: "localhost:7001" });
    await until(() => worker.agreements !== undefined);
    const active = worker.agreements!.agreements.find(({ jws }) => jws.includes("payload"))!;
    expect(active.party).toBe(fleet.Party.PARTY_SERVER);
    const read = async (pieces: AsyncIterable<{ chunk: Buffer }>) => {
      const all: Buffer[] = [];
      for await (const { chunk } of pieces) all.push(chunk);
      return Buffer.concat(all);
    };
    const d = await read(worker.client.getMaskedWeights({ maskId: active.maskId }));
    const weights = await read(worker.client.getWeights({ agreementDigest: active.digest }));
    const plan = parsePlan(JSON.parse(active.plan.toString()));
    const u = dealer.masks.get(active.maskId.toString("hex"))!;
    expect(d.length).toBe(u.length);
    const w = decodeWeights(weights, plan).flatMap((step) => [...step.weights]);
    let wrong = 0;
    w.forEach((value, i) => {
      if (BigInt.asUintN(64, BigInt(value) - u.readBigUInt64LE(8 * i)) !== d.readBigUInt64LE(8 * i)) wrong++;
    });
    expect(wrong).toBe(0);
    expect(weightsCommitment(Buffer.alloc(32), decodeWeights(weights, plan))).not.toEqual(asset.commitment);
    expect(await a.member.getAgreement({ agreementId: id })).toMatchObject({ ready: true });
    await until(() => system.router.organisations.get("clinic-a")!.workerEndpoints.join() === "localhost:7001");
    worker.close();
    await until(() => system.router.organisations.get("clinic-a")!.workerEndpoints.length === 0);
    await a.member.revokeAgreement({ agreementId: id, reason: "" });
    await until(() => dealer.ended.includes(active.maskId.toString("hex")));
    await until(() => !existsSync(join(a.folder, "masked", active.digest.toString("hex"))));
  });

  it("checks a job before anything is spent, naming row and column", async () => {
    const { b, router } = system;
    const values = new Float64Array(2 * 784).fill(0.5);
    const assetId = asset.id;
    await expect(submit(b.member, { assetId, values })).rejects.toEqual(
      refused("NO_AGREEMENT", Code.FAILED_PRECONDITION, /parley agreement accept/),
    );
    await system.agree(asset.id);
    const change = (at: number, value: number) => values.map((v, i) => (i === at ? value : v));
    for (const [settings, reason, message] of [
      [{ values: change(784 + 2, NaN) }, "NOT_A_NUMBER", /row 2, column 3/],
      [{ values: change(5, 1.5) }, "OUT_OF_RANGE", /row 1, column 6/],
      [{ values, shape: [2, 783] }, "WRONG_SHAPE", /784|28x28/],
      [{ values, shape: [3, 784] }, "WRONG_SHAPE", /1568/],
      [{ values, shape: [] }, "WRONG_SHAPE", /none/],
      [{ values, jobId: "job_1" }, "JOB_ID", /26/],
    ] as const)
      await expect(
        submit(b.member, { assetId, ...settings, shape: "shape" in settings ? [...settings.shape] : undefined }),
      ).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT, reason, message: expect.stringMatching(message) });
    await expect(submit(b.member, { assetId: "mdl_unknown", values })).rejects.toEqual(
      refused("ASSET_UNKNOWN", Code.NOT_FOUND),
    );
    await expect(submit(b.member, { assetId, values, agreementId: "agr_x" })).rejects.toEqual(
      refused("AGREEMENT_NOT_ACTIVE", Code.FAILED_PRECONDITION),
    );
    await expect(submit(b.member, { assetId, values: new Float64Array(101 * 784) })).rejects.toEqual(
      refused("QUOTA_USED_UP", Code.RESOURCE_EXHAUSTED),
    );
    expect(router.jobs.size).toBe(0);
    expect(readdirSync(join(b.folder, "inputs"))).toEqual([]);
  });

  it("keeps jobs of users apart", async () => {
    const { b } = system;
    const keys = await Promise.all(["ana", "ben"].map((user) => b.member.createApiKey({ user, roles: ["scientist"] })));
    const [ana, ben] = keys.map(({ apiKey }) => b.as(apiKey));
    const job = await submit(ana, { assetId: asset.id, values: new Float64Array(784) });
    const id = job.job!.id;
    await expect(ben.getJob({ jobId: id })).rejects.toEqual(refused("JOB_UNKNOWN", Code.NOT_FOUND));
    expect((await ben.listJobs({ state: 0, page: undefined })).jobs).toEqual([]);
    expect((await ana.listJobs({ state: 0, page: undefined })).jobs.map((j) => j.job!.id)).toEqual([id]);
    await expect(
      (async () => {
        for await (const _ of ben.getResult({ jobId: id }));
      })(),
    ).rejects.toEqual(refused("JOB_UNKNOWN", Code.NOT_FOUND));
    expect((await ana.cancelJob({ jobId: id })).job!.job!.state).toBe(5);
    [ana, ben].forEach((client) => client.close());
  });

  it("lets a worker in with a token once, and serves workers of its own alone", async () => {
    const { a, b } = system;
    const { token } = await a.member.createWorkerToken({ validSeconds: 60, reusable: false });
    const worker = await FakeWorker.enrol(token, "w");
    await expect(FakeWorker.enrol(token, "w")).rejects.toEqual(
      refused("WORKER_TOKEN_REFUSED", Code.PERMISSION_DENIED, /parley org worker-token/),
    );
    worker.close();
    const address = a.service.addresses.mtls;
    const bundle = (await a.member.getOrganisation({ organisationId: "" })).organisation!.bundle;
    const server = { org: "clinic-a", role: "access-point", bundle: () => bundle };
    const foreign = await testOrganisation("clinic-a"); // a stranger's authority that uses the name
    for (const own of [await foreign.certificate("worker"), await system.router.certificate("identity")]) {
      const client = connect(fleet.FleetServiceService, { address, own, server });
      await expect(client.renewCertificate({ csr: Buffer.alloc(0) })).rejects.toMatchObject({
        code: expect.toSatisfy((code: Code) => [Code.UNAUTHENTICATED, Code.UNAVAILABLE].includes(code)),
      });
      client.close();
    }
    const other = await b.worker("w");
    await expect(other.ask).toBeDefined();
    const atA = connect(fleet.FleetServiceService, {
      address,
      own: (await testOrganisation("clinic-b").then((o) => o.certificate("worker"))) as never,
      server,
    });
    await expect(atA.renewCertificate({ csr: Buffer.alloc(0) })).rejects.toBeDefined();
    atA.close();
    other.close();
  });

  it("writes every step into its audit log, without secrets", async () => {
    const { a, b } = system;
    const actions = async (one: typeof a) => {
      const { entries } = await one.member.listAudit({ subject: "", page: { limit: 1000, token: "" } });
      return entries;
    };
    const [atA, atB] = [await actions(a), await actions(b)];
    expect(new Set(atA.map(({ action }) => action))).toEqual(
      new Set([
        "key.created",
        "key.revoked",
        "organisation.enrolled",
        "organisation.trusted",
        "asset.published",
        "agreement.offered",
        "agreement.activated",
        "agreement.revoked",
        "agreement.ended",
        "mask.opened",
        "mask.ended",
        "worker.token-created",
        "worker.enrolled",
        "worker.named",
        "worker.refused",
      ]),
    );
    expect(atB.map(({ action }) => action)).toEqual(
      expect.arrayContaining(["agreement.accepted", "job.submitted", "job.cancelled"]),
    );
    const text = JSON.stringify([atA, atB], (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
    expect(text).not.toContain(a.apiKey);
    expect(text).not.toMatch(/prl_|eyJ/);
    expect(atA.map(({ sequence }) => sequence)).toEqual(atA.map((_, i) => BigInt(i + 1)));
  });
});
