import { acceptAgreement, newId, offerAgreement, signStatement, verifyAgreement, type Terms } from "@parley/agreement";
import { Code, ParleyError, agreements } from "@parley/proto";
import { Exchange, type RunningService } from "@parley/service-kit";
import { DATABASE_KINDS, hasPostgres, testDatabase, type TestDatabase } from "@parley/service-kit/testing";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "./config.js";
import { startAgreements } from "./service.js";
import {
  TestRouter,
  offerBetween,
  termsBetween,
  type AgreementsClient,
  type TestParty,
} from "./testing/test-router.js";

const { AgreementState } = agreements;
const postgres = await hasPostgres();

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: ParleyError) => `${Code[error.code]} ${error.reason}`,
  );

describe.each(DATABASE_KINDS)("agreements on %s", (kind) => {
  describe.skipIf(kind === "postgresql" && !postgres)("over real sockets", () => {
    let database: TestDatabase;
    let router: TestRouter;
    let service: RunningService;
    let environment: Record<string, string>;
    let [clinicA, clinicB, clinicC] = [] as TestParty[];
    let [a, b, c, scheduler] = [] as AgreementsClient[];

    beforeAll(async () => {
      database = (await testDatabase(kind))!;
      const started = await TestRouter.start();
      router = started.router;
      [clinicA, clinicB, clinicC] = await Promise.all(
        ["clinic-a", "clinic-b", "clinic-c"].map((id) => router.enrol(id)),
      );
      environment = {
        ...(await router.environment("agreements")),
        PARLEY_DATA_DIR: database.dataDir,
        PARLEY_IDENTITY_ADDRESS: started.identityAddress,
        PARLEY_SETTLE_SECONDS: "0",
        PARLEY_HOUSEKEEPING_MS: "50",
        ...(database.url && { DATABASE_URL: database.url }),
      };
      service = await startAgreements(readConfig(environment), router.logger);
      await connectAll();
    });
    afterAll(async () => {
      await service.close();
      await router.close();
      await database.remove();
    });

    async function connectAll() {
      const address = service.addresses.mtls;
      [a, b, c] = await Promise.all([clinicA, clinicB, clinicC].map((party) => router.client(address, party)));
      scheduler = await router.client(address, "scheduler");
      // The directory follows identity by a stream; the first call that is admitted shows that it has arrived.
      for (let tries = 0; (await refusal(c.listAgreements({ state: 0, page: undefined }))) !== "no error"; tries++) {
        if (tries > 100) throw new Error("the organisations did not arrive");
        await sleep(50);
      }
    }
    const accepted = async (change: Partial<Terms> = {}) => {
      const { terms, jws } = offerBetween(clinicA, clinicB, change);
      await a.offer({ jws });
      const both = acceptAgreement(jws, clinicB.signer);
      const { agreement } = await b.accept({ agreementId: terms.id, jws: both });
      return { terms, jws: both, agreement: agreement! };
    };
    const reserveMany = async (client: AgreementsClient, request: agreements.ReserveRequest) => {
      const exchange = new Exchange(client.reserve);
      return exchange.ask(request).finally(() => exchange.close());
    };
    const reserveWish = async (wish: agreements.ReserveWish) => {
      const { answers, agreements: held } = await reserveMany(scheduler, { wishes: [wish], known: [] });
      const [{ code, reason, message }] = answers;
      if (code !== Code.OK) throw new ParleyError(code, reason, message);
      return held;
    };
    const reserve = (terms: Terms, records: number, jobId = newId("job")) =>
      reserveWish({
        jobId,
        agreementId: terms.id,
        assetId: terms.asset.id,
        organisationId: "clinic-b",
        operation: "predict",
        records,
      });
    const reportRun = async (client: AgreementsClient, { report: text }: { report: string }) => {
      const { outcomes } = await client.reportRuns({ reports: [text] });
      const [{ code, reason, message }] = outcomes;
      if (code !== Code.OK) throw new ParleyError(code, reason, message);
    };
    const counts = async (id: string) => {
      const { agreement } = await a.getAgreement({ agreementId: id });
      return [Number(agreement?.reserved), Number(agreement?.used)];
    };
    const report = (
      terms: Terms,
      job: string,
      run: { attempt: string; run: number; records: number; revealed: boolean },
    ) =>
      signStatement("run-report", { agreement: terms.id, job, ...run, at: new Date().toISOString() }, clinicA.signer);

    it("keeps an offer and makes it active with the second signature, exactly as signed", async () => {
      const { terms, jws } = offerBetween(clinicA, clinicB);
      const offered = await a.offer({ jws });
      expect(offered.agreement).toMatchObject({
        id: terms.id,
        jws,
        state: AgreementState.AGREEMENT_STATE_OFFERED,
        modelOwner: "clinic-a",
        dataOwner: "clinic-b",
        quota: 100n,
      });
      expect((await a.offer({ jws })).agreement).toEqual(offered.agreement);
      const both = acceptAgreement(jws, clinicB.signer);
      const active = await b.accept({ agreementId: terms.id, jws: both });
      expect(active.agreement).toMatchObject({ state: AgreementState.AGREEMENT_STATE_ACTIVE, jws: both });
      expect((await b.accept({ agreementId: terms.id, jws: both })).agreement).toEqual(active.agreement);
      const stored = (await a.getAgreement({ agreementId: terms.id })).agreement!;
      expect(verifyAgreement(stored.jws).digest).toEqual(stored.digest);
    });

    it("refuses offers by others, with other keys, and of nobody", async () => {
      const { jws } = offerBetween(clinicA, clinicB);
      expect(await refusal(b.offer({ jws }))).toBe("PERMISSION_DENIED SIGNATURE_INVALID");
      const wrongKey = termsBetween(clinicA, { ...clinicB, signingKey: clinicC.signingKey });
      expect(await refusal(a.offer({ jws: offerAgreement(wrongKey, clinicA.signer) }))).toBe(
        "FAILED_PRECONDITION SIGNING_KEY_DIFFERS",
      );
      const nobody = termsBetween(clinicA, { ...clinicB, id: "nobody" });
      expect(await refusal(a.offer({ jws: offerAgreement(nobody, clinicA.signer) }))).toBe(
        "FAILED_PRECONDITION ORGANISATION_NOT_ENROLLED",
      );
      expect(await refusal(a.offer({ jws: "{}" }))).toBe("INVALID_ARGUMENT TERMS_INVALID");
      const other = offerAgreement(
        termsBetween(clinicA, { ...clinicB, signingKey: clinicC.signingKey }),
        clinicA.signer,
      );
      const payload = (JSON.parse(other) as { payload: string }).payload;
      const forged = JSON.stringify({ ...(JSON.parse(jws) as object), payload });
      expect(await refusal(a.offer({ jws: forged }))).toBe("PERMISSION_DENIED SIGNATURE_INVALID");
    });

    it("refuses acceptance by its author, by a stranger, of other terms, and without a valid signature", async () => {
      const { terms, jws } = offerBetween(clinicA, clinicB);
      await a.offer({ jws });
      const both = acceptAgreement(jws, clinicB.signer);
      const agreementId = terms.id;
      expect(await refusal(a.accept({ agreementId, jws: both }))).toBe("PERMISSION_DENIED OWN_OFFER");
      expect(await refusal(c.accept({ agreementId, jws: both }))).toBe("NOT_FOUND AGREEMENT_NOT_FOUND");
      const richer = offerAgreement({ ...terms, records: 1_000_000 }, clinicA.signer);
      expect(await refusal(b.accept({ agreementId, jws: acceptAgreement(richer, clinicB.signer) }))).toBe(
        "INVALID_ARGUMENT TERMS_DIFFER",
      );
      const wrongSigner = { org: "clinic-b", privateKey: clinicC.signer.privateKey };
      expect(await refusal(b.accept({ agreementId, jws: acceptAgreement(jws, wrongSigner) }))).toBe(
        "PERMISSION_DENIED SIGNATURE_INVALID",
      );
      expect(await refusal(b.accept({ agreementId, jws }))).toBe("PERMISSION_DENIED SIGNATURE_INVALID");
      expect((await b.getAgreement({ agreementId })).agreement?.state).toBe(AgreementState.AGREEMENT_STATE_OFFERED);
    });

    it("lists an organisation's own agreements, newest first, by pages and states", async () => {
      const made: string[] = [];
      for (let i = 0; i < 3; i++) {
        const { terms, jws } = offerBetween(clinicC, clinicB);
        await c.offer({ jws });
        made.unshift(terms.id);
        await sleep(2);
      }
      const first = await c.listAgreements({ state: 0, page: { limit: 2, token: "" } });
      const second = await c.listAgreements({ state: 0, page: { limit: 2, token: first.nextToken } });
      expect([...first.agreements, ...second.agreements].map(({ id }) => id)).toEqual(made);
      expect(second.nextToken).toBe("");
      const active = { state: AgreementState.AGREEMENT_STATE_ACTIVE, page: undefined };
      expect((await c.listAgreements(active)).agreements).toEqual([]);
      expect(await refusal(a.getAgreement({ agreementId: made[0] }))).toBe("NOT_FOUND AGREEMENT_NOT_FOUND");
    });

    it("takes a signed revocation of either organisation, and of nobody else", async () => {
      const { terms } = await accepted();
      const agreementId = terms.id;
      const revocation = (signer = clinicB.signer, agreement = terms.id) =>
        signStatement(
          "revocation",
          { agreement, action: "revoke", reason: "over", at: new Date().toISOString() },
          signer,
        );
      expect(await refusal(c.revokeAgreement({ agreementId, statement: revocation(clinicC.signer) }))).toMatch(
        "NOT_FOUND",
      );
      expect(await refusal(b.revokeAgreement({ agreementId, statement: revocation(clinicA.signer) }))).toBe(
        "PERMISSION_DENIED SIGNATURE_INVALID",
      );
      const another = revocation(clinicB.signer, newId("agr"));
      expect(await refusal(b.revokeAgreement({ agreementId, statement: another }))).toBe(
        "INVALID_ARGUMENT STATEMENT_INVALID",
      );
      const { agreement } = await b.revokeAgreement({ agreementId, statement: revocation() });
      expect(agreement?.state).toBe(AgreementState.AGREEMENT_STATE_REVOKED);
      expect((await a.revokeAgreement({ agreementId, statement: revocation(clinicA.signer) })).agreement?.state).toBe(
        AgreementState.AGREEMENT_STATE_REVOKED,
      );
      expect(await refusal(reserve(terms, 1))).toBe("FAILED_PRECONDITION AGREEMENT_STATE");
    });

    it("streams what there is, then every change, and the end of an agreement", async () => {
      const { terms } = await accepted();
      const abort = new AbortController();
      const seen: string[] = [];
      let synchronised: () => void = () => {};
      const ready = new Promise<void>((resolve) => (synchronised = resolve));
      const watching = (async () => {
        for await (const event of a.watchAgreements({}, { signal: abort.signal })) {
          if (event.synchronised) synchronised();
          if (event.agreement) seen.push(`${event.agreement.id} ${AgreementState[event.agreement.state].slice(16)}`);
        }
      })().catch(() => {});
      await ready;
      expect(seen).toContain(`${terms.id} ACTIVE`);
      const ended = await accepted({ expires: new Date(Date.now() + 700).toISOString() });
      for (let i = 0; i < 100 && !seen.includes(`${ended.terms.id} EXPIRED`); i++) await sleep(50);
      abort.abort();
      await watching;
      expect(seen.filter((line) => line.startsWith(ended.terms.id)).map((line) => line.split(" ")[1])).toEqual([
        "OFFERED",
        "ACTIVE",
        "EXPIRED",
      ]);
      expect(await refusal(reserve(ended.terms, 1))).toBe("FAILED_PRECONDITION AGREEMENT_STATE");
    });

    it("never reserves more than the quota, however many ask at once", async () => {
      const { terms } = await accepted({ records: 100 });
      const outcomes = await Promise.all(Array.from({ length: 40 }, () => refusal(reserve(terms, 7))));
      expect(outcomes.filter((outcome) => outcome === "no error").length).toBe(14);
      expect(new Set(outcomes)).toEqual(new Set(["no error", "RESOURCE_EXHAUSTED QUOTA_EXHAUSTED"]));
      expect(await counts(terms.id)).toEqual([98, 0]);
    });

    it("reserves once per job, however often it is asked", async () => {
      const { terms } = await accepted();
      const job = newId("job");
      expect(await Promise.all(Array.from({ length: 10 }, () => refusal(reserve(terms, 60, job))))).toEqual(
        Array.from({ length: 10 }, () => "no error"),
      );
      expect(await counts(terms.id)).toEqual([60, 0]);
      expect(await refusal(reserve(terms, 61, job))).toBe("ALREADY_EXISTS JOB_DIFFERS");
    });

    it("reserves only what was agreed", async () => {
      const { terms } = await accepted();
      const wish = {
        jobId: newId("job"),
        agreementId: terms.id,
        assetId: terms.asset.id,
        organisationId: "clinic-b",
        operation: "predict",
        records: 1,
      };
      expect(await refusal(reserveWish({ ...wish, assetId: newId("mdl") }))).toBe(
        "FAILED_PRECONDITION ASSET_NOT_AGREED",
      );
      expect(await refusal(reserveWish({ ...wish, operation: "train" }))).toBe(
        "FAILED_PRECONDITION OPERATION_NOT_AGREED",
      );
      expect(await refusal(reserveWish({ ...wish, organisationId: "clinic-a" }))).toBe("NOT_FOUND AGREEMENT_NOT_FOUND");
      expect(await refusal(reserveWish({ ...wish, records: 0 }))).toBe("INVALID_ARGUMENT RECORDS_INVALID");
      expect(await refusal(reserveWish({ ...wish, jobId: "1" }))).toBe("INVALID_ARGUMENT JOB_ID_INVALID");
      const { terms: offered, jws } = offerBetween(clinicA, clinicB);
      await a.offer({ jws });
      expect(await refusal(reserve(offered, 1))).toBe("FAILED_PRECONDITION AGREEMENT_STATE");
      const later = await accepted({ notBefore: new Date(Date.now() + 3_600_000).toISOString() });
      expect(await refusal(reserve(later.terms, 1))).toBe("FAILED_PRECONDITION AGREEMENT_NOT_BEGUN");
      expect(await refusal(reserveMany(b, { wishes: [wish], known: [] }))).toBe("PERMISSION_DENIED ROLE_REFUSED");
    });

    it("frees at once what no ticket can have bound", async () => {
      const { terms } = await accepted();
      const job = newId("job");
      await reserve(terms, 60, job);
      const ended = { jobId: job, agreementId: terms.id, ticketsGiven: 0, lastTicketExpires: undefined };
      const release = { jobs: [ended] };
      expect(await refusal(b.release(release))).toBe("PERMISSION_DENIED ROLE_REFUSED");
      await scheduler.release(release);
      expect(await counts(terms.id)).toEqual([0, 0]);
      await scheduler.release(release);
      expect(await counts(terms.id)).toEqual([0, 0]);
      expect(await refusal(reserve(terms, 60, job))).toBe("FAILED_PRECONDITION JOB_ENDED");
    });

    it("holds what a ticket may have bound until the model owner reports, or the time for that is over", async () => {
      const { terms } = await accepted();
      const job = newId("job");
      const attempt = newId("att");
      await reserve(terms, 12, job);
      const release = (lastTicketExpires: Date) =>
        scheduler.release({ jobs: [{ jobId: job, agreementId: terms.id, ticketsGiven: 1, lastTicketExpires }] });
      await reportRun(a, { report: report(terms, job, { attempt, run: 0, records: 8, revealed: false }) });
      expect(await counts(terms.id)).toEqual([12, 0]);
      await release(new Date(Date.now() + 1500));
      expect(await counts(terms.id)).toEqual([4, 0]);
      for (let i = 0; i < 100 && (await counts(terms.id))[0] > 0; i++) await sleep(50);
      expect(await counts(terms.id)).toEqual([0, 0]);
      await reportRun(a, { report: report(terms, job, { attempt, run: 1, records: 4, revealed: true }) });
      expect(await counts(terms.id)).toEqual([0, 4]);
    });

    it("counts a report once, and only the model owner's about a reserved job", async () => {
      const { terms } = await accepted();
      const job = newId("job");
      const run = { attempt: newId("att"), run: 0, records: 8, revealed: true };
      await reserve(terms, 12, job);
      const signed = report(terms, job, run);
      await Promise.all([1, 2, 3].map(() => reportRun(a, { report: signed })));
      expect(await counts(terms.id)).toEqual([4, 8]);
      expect(await refusal(reportRun(a, { report: report(terms, job, { ...run, revealed: false }) }))).toBe(
        "ALREADY_EXISTS REPORT_DIFFERS",
      );
      const byB = signStatement(
        "run-report",
        { agreement: terms.id, job, ...run, run: 1, revealed: false, at: new Date().toISOString() },
        clinicB.signer,
      );
      expect(await refusal(reportRun(b, { report: byB }))).toBe("PERMISSION_DENIED NOT_MODEL_OWNER");
      expect(await refusal(reportRun(a, { report: byB }))).toBe("PERMISSION_DENIED SIGNATURE_INVALID");
      expect(await refusal(reportRun(b, { report: signed }))).toBe("PERMISSION_DENIED SIGNATURE_INVALID");
      expect(await refusal(reportRun(a, { report: report(terms, newId("job"), run) }))).toBe(
        "NOT_FOUND RESERVATION_NOT_FOUND",
      );
      expect(await refusal(reportRun(a, { report: report(terms, job, { ...run, run: 2, records: 13 }) }))).toMatch(
        "NOT_FOUND",
      );
      expect(await refusal(reportRun(a, { report: "a.b.c" }))).toMatch("INVALID_ARGUMENT");
      expect(await counts(terms.id)).toEqual([4, 8]);
    });

    it("counts a second reveal by a retry again", async () => {
      const { terms } = await accepted();
      const job = newId("job");
      await reserve(terms, 8, job);
      for (const attempt of [newId("att"), newId("att")])
        await reportRun(a, { report: report(terms, job, { attempt, run: 0, records: 8, revealed: true }) });
      expect(await counts(terms.id)).toEqual([0, 16]);
    });

    it("takes many reports in one call, each with its own answer", async () => {
      const { terms } = await accepted();
      const jobs = [newId("job"), newId("job")];
      for (const job of jobs) await reserve(terms, 12, job);
      const of = (job: string, run: number, records: number, revealed = true) =>
        report(terms, job, { attempt: `att_${job.slice(4)}`, run, records, revealed });
      const first = of(jobs[0], 0, 8);
      const { outcomes } = await a.reportRuns({
        reports: [first, of(jobs[0], 1, 4, false), "a.b.c", of(jobs[1], 0, 12), of(newId("job"), 0, 1), first],
      });
      expect(outcomes.map(({ code }) => Code[code])).toEqual(["OK", "OK", "INVALID_ARGUMENT", "OK", "NOT_FOUND", "OK"]);
      expect(await counts(terms.id)).toEqual([4, 20]);
      const again = await a.reportRuns({ reports: [first, of(jobs[1], 0, 12, false)] });
      expect(again.outcomes.map(({ reason }) => reason)).toEqual(["", "REPORT_DIFFERS"]);
      const released = jobs.map((jobId) => ({
        jobId,
        agreementId: terms.id,
        ticketsGiven: 1,
        lastTicketExpires: new Date(Date.now() + 60_000),
      }));
      await scheduler.release({ jobs: released });
      expect(await counts(terms.id)).toEqual([0, 20]);
    });

    it("lists what is reserved for jobs that have not ended, in pages by job id", async () => {
      const { terms } = await accepted();
      const jobs = [newId("job"), newId("job"), newId("job")].sort();
      for (const job of jobs) await reserve(terms, 1, job);
      const ended = { jobId: jobs[1], agreementId: terms.id, ticketsGiven: 0, lastTicketExpires: undefined };
      await scheduler.release({ jobs: [ended] });
      const list = async (before: Date, after: string) =>
        (await scheduler.listReservations({ before, after })).reservations
          .filter(({ agreementId }) => agreementId === terms.id)
          .map(({ jobId }) => jobId);
      const soon = new Date(Date.now() + 60_000);
      expect(await list(soon, "")).toEqual([jobs[0], jobs[2]]);
      expect(await list(soon, jobs[0])).toEqual([jobs[2]]);
      expect(await list(new Date(Date.now() - 60_000), "")).toEqual([]);
      expect(await refusal(b.listReservations({ before: soon, after: "" }))).toBe("PERMISSION_DENIED ROLE_REFUSED");
    });

    it("reserves for many jobs in one call, each with its own answer, and leaves out what the caller holds", async () => {
      const { terms, jws } = await accepted();
      const wish = (records: number, change: object = {}) => ({
        jobId: newId("job"),
        agreementId: terms.id,
        assetId: terms.asset.id,
        organisationId: "clinic-b",
        operation: "predict",
        records,
        ...change,
      });
      const wishes = [wish(60), wish(60), wish(1, { jobId: "1" }), wish(40), wish(1, { agreementId: newId("agr") })];
      const { answers, agreements: held } = await reserveMany(scheduler, { wishes, known: [] });
      const reasons = answers.map(({ reason }) => reason);
      // Which of the first two fits is decided by who is first at the database.
      expect(reasons.slice(0, 2).sort()).toEqual(["", "QUOTA_EXHAUSTED"]);
      expect(reasons.slice(2)).toEqual(["JOB_ID_INVALID", "", "AGREEMENT_NOT_FOUND"]);
      const [winner, loser] = reasons[0] === "" ? [0, 1] : [1, 0];
      expect(answers[loser].details).toMatchObject({ quota: "100" });
      expect(held.map((agreement) => agreement.jws)).toEqual([jws]);
      const again = await reserveMany(scheduler, { wishes: [wishes[winner]], known: [terms.id] });
      expect([again.answers[0].code, again.agreements]).toEqual([Code.OK, []]);
      expect(await counts(terms.id)).toEqual([100, 0]);
    });

    it("lets a small job in behind one that is too large, though both ask at once", async () => {
      const { terms } = await accepted();
      const outcomes = await Promise.all([99, 101, 1].map((records) => refusal(reserve(terms, records))));
      expect(outcomes).toEqual(["no error", "RESOURCE_EXHAUSTED QUOTA_EXHAUSTED", "no error"]);
      expect(await counts(terms.id)).toEqual([100, 0]);
    });

    it("keeps an audit log that the organisations concerned can list, and nobody can change", async () => {
      const { terms } = await accepted();
      const actions = async (client: AgreementsClient) =>
        (await client.listAudit({ subject: terms.id, page: undefined })).entries.map(({ action }) => action);
      expect(await actions(a)).toEqual(["agreement.offered", "agreement.accepted"]);
      expect(await actions(b)).toEqual(["agreement.offered", "agreement.accepted"]);
      expect(await actions(c)).toEqual([]);
      const entry = {
        sequence: 0n,
        at: undefined,
        action: "job.created",
        actor: "clinic-b",
        subject: terms.id,
        traceId: "ab".repeat(16),
        details: '{"records":8}',
      };
      await scheduler.appendAudit({ notes: [{ entry, organisations: ["clinic-b"] }] });
      const [, , last] = (await b.listAudit({ subject: terms.id, page: undefined })).entries;
      expect(last).toMatchObject({ action: "job.created", traceId: "ab".repeat(16), details: '{"records":8}' });
      expect(await actions(a)).toEqual(["agreement.offered", "agreement.accepted"]);
      expect(await refusal(b.appendAudit({ notes: [{ entry, organisations: [] }] }))).toBe(
        "PERMISSION_DENIED ROLE_REFUSED",
      );
      const nested = { ...entry, details: '{"a":{"b":1}}' };
      expect(await refusal(scheduler.appendAudit({ notes: [{ entry: nested, organisations: [] }] }))).toMatch(
        "INVALID_ARGUMENT",
      );
      const page = await b.listAudit({ subject: terms.id, page: { limit: 1, token: "" } });
      const next = await b.listAudit({ subject: terms.id, page: { limit: 1, token: page.nextToken } });
      expect([...page.entries, ...next.entries].map(({ action }) => action)).toEqual([
        "agreement.offered",
        "agreement.accepted",
      ]);
    });

    it("wants a token of identity from access points, and takes nothing of a revoked organisation", async () => {
      const { terms } = await accepted();
      const own = await clinicA.certificate("access-point");
      const other = await clinicA.certificate("access-point");
      const stolen = router.clientWithToken(service.addresses.mtls, own, { boundTo: other, org: "clinic-a" });
      expect(await refusal(stolen.getAgreement({ agreementId: terms.id }))).toBe("UNAUTHENTICATED TOKEN_REFUSED");
      const foreign = router.clientWithToken(service.addresses.mtls, own, { boundTo: own, org: "clinic-b" });
      expect(await refusal(foreign.getAgreement({ agreementId: terms.id }))).toBe("UNAUTHENTICATED TOKEN_REFUSED");
      const clinicD = await router.enrol("clinic-d");
      const d = await router.client(service.addresses.mtls, clinicD);
      const { terms: withD, jws } = offerBetween(clinicA, clinicD);
      await a.offer({ jws });
      for (let i = 0; i < 100 && (await refusal(d.listAgreements({ state: 0, page: undefined }))) !== "no error"; i++)
        await sleep(20);
      await d.accept({ agreementId: withD.id, jws: acceptAgreement(jws, clinicD.signer) });
      router.publish(clinicD, true);
      const wish = {
        jobId: newId("job"),
        agreementId: withD.id,
        assetId: withD.asset.id,
        organisationId: "clinic-d",
        operation: "predict",
        records: 1,
      };
      for (let i = 0; i < 100 && (await refusal(d.listAgreements({ state: 0, page: undefined }))) === "no error"; i++)
        await sleep(20);
      expect(await refusal(d.listAgreements({ state: 0, page: undefined }))).not.toBe("no error");
      expect(await refusal(reserveWish(wish))).toBe("FAILED_PRECONDITION ORGANISATION_NOT_ENROLLED");
    });

    it("keeps everything over a restart", async () => {
      const { terms, jws } = await accepted();
      const job = newId("job");
      await reserve(terms, 60, job);
      await service.close();
      service = await startAgreements(readConfig(environment), router.logger);
      await connectAll();
      expect((await a.getAgreement({ agreementId: terms.id })).agreement?.jws).toBe(jws);
      await reserve(terms, 60, job);
      expect(await counts(terms.id)).toEqual([60, 0]);
      expect(await refusal(reserve(terms, 41))).toBe("RESOURCE_EXHAUSTED QUOTA_EXHAUSTED");
    });
  });
});
