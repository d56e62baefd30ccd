import {
  acceptAgreement,
  createAuthority,
  generateSigningKey,
  newId,
  offerAgreement,
  organisationFingerprint,
  partyTerms,
  verifyAgreement,
  type Terms,
} from "@parley/agreement";
import { Code, fleet, type agreements, type common } from "@parley/proto";
import { connect } from "@parley/service-kit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FakeWorker } from "./testing/fake-worker.js";
import { Fixture, submit, until } from "./testing/fixture.js";

describe("a router that lies", () => {
  let system: Fixture;
  let workerA: FakeWorker;
  let workerB: FakeWorker;
  let agreement: agreements.Agreement;
  /** What the router puts in a clinic's place. */
  const impostor = async (id: string) => {
    const key = generateSigningKey();
    const authority = await createAuthority({ org: id });
    const keys = { id, bundle: [Buffer.from(authority.certificateDer)], signingKey: Buffer.from(key.publicKey) };
    const organisation: common.Organisation = {
      ...keys,
      workerEndpoints: ["localhost:1"],
      fingerprint: organisationFingerprint(keys),
      revoked: false,
    };
    return { key, organisation };
  };
  const audited = async (one: Fixture["a"], action: string) =>
    (await one.member.listAudit({ subject: "", page: { limit: 1000, token: "" } })).entries.filter(
      (entry) => entry.action === action,
    );

  beforeAll(async () => {
    system = await Fixture.start();
    await system.enrolAndTrust();
    system.router.endpoints.set("clinic-a", ["localhost:7000"]);
    const { asset } = await system.publish();
    agreement = system.router.agreements.get(await system.agree(asset!.id, 100n))!;
    workerA = (await system.a.worker("a1")).attach();
    workerB = (await system.b.worker("b1")).attach();
    await until(() => workerA.agreements?.agreements.length === 1 && workerB.agreements?.agreements.length === 1);
    await until(() => system.router.attached("clinic-b"));
  });
  afterAll(async () => {
    workerA.close();
    workerB.close();
    await system.close();
  });

  it("cannot put its own keys in a partner's place: before trust the fingerprint differs, after it the pinned keys stay", async () => {
    const { a, b, router } = system;
    const honest = router.organisations.get("clinic-b")!;
    const real = (await b.member.getOrganisation({ organisationId: "" })).organisation!;
    const { organisation } = await impostor("clinic-b");
    // It even states the right fingerprint beside the wrong keys.
    router.organisations.set("clinic-b", { ...organisation, fingerprint: real.fingerprint });
    await expect(
      a.member.trustOrganisation({ organisationId: "clinic-b", fingerprint: real.fingerprint }),
    ).rejects.toMatchObject({ code: Code.FAILED_PRECONDITION, reason: "FINGERPRINT_DIFFERS" });
    const shown = await a.member.getOrganisation({ organisationId: "clinic-b" });
    expect(shown.organisation!.bundle).toEqual(real.bundle);
    expect(shown.organisation!.fingerprint).toBe(real.fingerprint);
    const offer = {
      assetId: agreement.assetId,
      organisationId: "clinic-b",
      records: 1n,
      expires: new Date(Date.now() + 60_000),
    };
    const made = await a.member.offerAgreement({ ...offer, output: "", purpose: "", maxPrepared: 0 });
    const { terms } = await a.member.getAgreement({ agreementId: made.agreement!.id });
    expect((JSON.parse(terms) as Terms).dataOwner.bundle).toEqual(real.bundle.map((der) => der.toString("base64")));
    router.organisations.set("clinic-b", honest);
  });

  it("cannot make an agreement: one signed with keys of its own comes into force nowhere", async () => {
    const { a, router } = system;
    const { terms } = verifyAgreement(agreement.jws);
    const [forA, forB] = await Promise.all([impostor("clinic-a"), impostor("clinic-b")]);
    const party = ({ organisation }: typeof forA) => partyTerms({ ...organisation, org: organisation.id });
    const before = workerA.agreements!.agreements.length;
    const forge = (change: Partial<Terms>, sign: { a?: string; b?: string }) => {
      const forged: Terms = { ...terms, id: newId("agr"), records: 1_000_000, ...change };
      const offered = offerAgreement(forged, { org: "clinic-a", privateKey: sign.a ?? forA.key.privateKeyPem });
      const jws = acceptAgreement(offered, { org: "clinic-b", privateKey: sign.b ?? forB.key.privateKeyPem });
      return { ...agreement, id: forged.id, jws };
    };
    const fakes = [forge({ modelOwner: party(forA), dataOwner: party(forB) }, {})];
    // The impostor in B's place alone, with A's own keys in the terms: A's signature cannot be made.
    const unsigned = JSON.parse(fakes[0].jws) as { signatures: unknown[] };
    fakes.push({ ...fakes[0], jws: JSON.stringify({ ...unsigned, signatures: unsigned.signatures.slice(0, 1) }) });
    fakes.push({ ...fakes[0], jws: agreement.jws.replace(/"signature":"../, '"signature":"AA') });
    const refusedBefore = (await audited(a, "agreement.refused")).length;
    for (const fake of fakes) router.tell(fake, "clinic-a", "clinic-b");
    await until(async () => (await audited(a, "agreement.refused")).length === refusedBefore + fakes.length);
    expect(workerA.agreements!.agreements.length).toBe(before);
    await expect(system.b.member.acceptAgreement({ agreementId: agreement.id })).rejects.toMatchObject({
      reason: "SIGNATURE_INVALID",
    });
  });

  it("cannot hand B an offer that names another dealer, partner or plan than B holds", async () => {
    const { b, router } = system;
    const { terms } = verifyAgreement(agreement.jws);
    const forA = await impostor("clinic-a");
    const dealer = await impostor("dealer");
    const party = ({ organisation }: typeof forA) => partyTerms({ ...organisation, org: organisation.id });
    for (const change of [{ modelOwner: party(forA) }, { modelOwner: party(forA), dealer: party(dealer) }]) {
      const forged: Terms = { ...terms, id: newId("agr"), ...change };
      const jws = offerAgreement(forged, { org: "clinic-a", privateKey: forA.key.privateKeyPem });
      router.agreements.set(forged.id, { ...agreement, id: forged.id, jws, state: 1 });
      await expect(b.member.acceptAgreement({ agreementId: forged.id })).rejects.toMatchObject({
        code: Code.FAILED_PRECONDITION,
        reason: "PINNED_KEYS_DIFFER",
      });
    }
    // Another plan under the offered asset.
    const offer = {
      assetId: agreement.assetId,
      organisationId: "clinic-b",
      records: 1n,
      expires: new Date(Date.now() + 60_000),
    };
    const made = await system.a.member.offerAgreement({ ...offer, output: "", purpose: "", maxPrepared: 0 });
    const asset = router.assets.get(agreement.assetId)!;
    const plan = JSON.parse(asset.plan.toString()) as { maxRecords: number };
    router.assets.set(asset.id, { ...asset, plan: Buffer.from(JSON.stringify({ ...plan, maxRecords: 1 })) });
    await expect(b.member.acceptAgreement({ agreementId: made.agreement!.id })).rejects.toMatchObject({
      reason: "PLAN_DIGEST",
    });
    await expect(b.member.getAsset({ assetId: asset.id })).rejects.toMatchObject({ code: Code.DATA_LOSS });
    router.assets.set(asset.id, asset);
  });

  it("cannot start a run that nobody submitted, nor one with another ticket than the job's", async () => {
    const { b, router } = system;
    const invented = {
      jobId: newId("job"),
      name: "",
      operation: "predict",
      assetId: agreement.assetId,
      agreementId: agreement.id,
      records: 1,
      maxRecords: 128,
      org: "clinic-b",
    };
    const attempts = [await router.order(invented)];
    const { job } = await submit(b.member, { assetId: agreement.assetId, values: new Float64Array(784 * 3) });
    const real = router.jobs.get(job!.id)!;
    for (const change of [
      { runs: [1] },
      { runs: [2, 1, 1] },
      { agreement: "00".repeat(32) },
      { planDigest: "00".repeat(32) },
    ]) {
      const attempt = newId("att");
      attempts.push(await router.order(real, await router.ticket(real, attempt, change), attempt));
    }
    const attempt = newId("att");
    const stolen = { kid: "t1", privateKey: generateSigningKey().privateKeyPem };
    attempts.push(await router.order(real, await router.ticket(real, attempt, {}, stolen), attempt));
    attempts.push(await router.order(real, await router.ticket(real, newId("att"))));
    for (const id of attempts) await until(() => router.reports.some(({ attemptId }) => attemptId === id));
    expect(attempts.map((id) => router.reports.find(({ attemptId }) => attemptId === id)?.error?.reason)).toEqual([
      "JOB_UNKNOWN",
      "TICKET_DIFFERS",
      "TICKET_DIFFERS",
      "TICKET_DIFFERS",
      "TICKET_DIFFERS",
      "ATTEMPT_TICKET_INVALID",
      "TICKET_DIFFERS",
    ]);
    expect(workerB.orders).toEqual([]);
    expect((await audited(b, "attempt.refused")).length).toBe(7);
    // The job itself is none the worse.
    const honest = await router.order(real);
    await until(() => workerB.orders.some(({ attemptId }) => attemptId === honest));
  });

  it("cannot log in: neither its tokens nor its certificates are anything here", async () => {
    const { b, router } = system;
    for (const token of [
      "identity-token",
      await router.ticket({ ...router.jobs.values().next().value! }, newId("att")),
    ]) {
      const client = b.as(token);
      await expect(client.whoAmI({})).rejects.toMatchObject({ code: Code.UNAUTHENTICATED });
      await expect(client.listJobs({ state: 0, page: undefined })).rejects.toMatchObject({
        code: Code.UNAUTHENTICATED,
      });
      client.close();
    }
    const { organisation } = await b.member.getOrganisation({ organisationId: "" });
    const client = connect(fleet.FleetServiceService, {
      address: b.service.addresses.mtls,
      own: await router.certificate("worker"),
      server: { org: "clinic-b", role: "access-point", bundle: () => organisation!.bundle },
    });
    const read = async () => {
      for await (const _ of client.getMaskedWeights({ maskId: Buffer.alloc(32) }));
    };
    await expect(read()).rejects.toMatchObject({
      code: expect.toSatisfy((code: Code) => [Code.UNAUTHENTICATED, Code.UNAVAILABLE].includes(code)),
    });
    client.close();
  });
});
