import {
  generateSigningKey,
  newId,
  offerAgreement,
  partyTerms,
  signTicket,
  termsOf,
  ticketKeySet,
  type TicketClaims,
} from "@parley/agreement";
import { cutRuns } from "@parley/plan";
import {
  Code,
  ParleyError,
  agreements as agreementsProto,
  dealer as dealerProto,
  fleet,
  identity as identityProto,
  member,
  peer,
  scheduler as schedulerProto,
  createClient,
} from "@parley/proto";
import {
  RpcServer,
  TrustStore,
  connect,
  implement,
  mutualServerCredentials,
  mutualChannelCredentials,
  createLogger,
  type Binding,
} from "@parley/service-kit";
import { credentials } from "@grpc/grpc-js";
import { sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:tls";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  images,
  missing,
  predict,
  publish,
  startRunning,
  until,
  type Published,
  type Running,
} from "../e2e/fixture.js";
import { startService, type Organisation } from "../system/index.js";
import {
  audited,
  authorityOf,
  certificateOf,
  dealerClient,
  drain,
  enrolWith,
  makeOrganisation,
  refusal,
  type Made,
} from "./intruder.js";

const OUTSIDE = /^(UNAVAILABLE|UNAUTHENTICATED) /;

/**
 * The router's operator turns against its customers, with every key that it has, and with an organisation of its own,
 * "mallory", that is enrolled at the dealer like any other. It may stop the service. It obtains no session, no batch, no
 * result, and no agreement.
 */
describe.skipIf(missing)("a router that lies", () => {
  let running: Running;
  let model: Published;
  let mallory: Made;
  let jws: string;
  let maskId: Buffer;
  const closing: (() => unknown)[] = [];

  const organisation = (id: "clinic-a" | "clinic-b"): Organisation => {
    const found = running.organisations.get(id);
    if (!found) throw new Error(`${id} runs`);
    return found;
  };
  const portOf = (address: string) => address.split(":").at(-1) ?? "";
  const prepared = async () =>
    (await audited(running.a, "batch.prepared")).length + (await audited(running.b, "batch.prepared")).length;
  const closed = <T extends { close(): void }>(client: T): T => (closing.push(() => client.close()), client);

  /** What identity signs for an access point, signed here with identity's real key. */
  const mintToken = (claims: Record<string, unknown>, kid: string) => {
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const now = Math.floor(Date.now() / 1000);
    const body = `${encode({ alg: "EdDSA", kid })}.${encode({ iss: "router/identity", aud: "router", iat: now, exp: now + 600, ...claims })}`;
    const key = readFileSync(join(running.folder, "identity/signing-key.pem"), "utf8");
    return `${body}.${sign(null, Buffer.from(body), key).toString("base64url")}`;
  };

  beforeAll(async () => {
    running = await startRunning();
    model = await publish(running, "a", 100);
    const { dataset, pixels } = images(1);
    const job = await predict(running.b, model.asset, dataset);
    expect(job.success && job.result.logits).toEqual(model.twin(pixels));
    ({ jws } = (await running.a.agreements.get(model.agreement)).agreement);
    maskId = Buffer.from((await audited(running.a, "mask.opened"))[0].details.mask, "hex");
    mallory = await makeOrganisation("mallory");
    const atDealer = await running.dealerOperator.client(dealerProto.DealerServiceService, running.addresses.dealer);
    const atRouter = await running.router.client(identityProto.IdentityServiceService, running.addresses.identity);
    for (const operator of [atDealer, atRouter]) {
      const { token } = await operator.createEnrolmentToken({ organisationId: "mallory", validSeconds: 60 });
      await enrolWith(token, mallory);
      operator.close();
    }
  }, 180_000);
  afterAll(async () => {
    for (const close of closing) await close();
    // Those that were started again by a test.
    for (const { accessPoint, workers } of running?.organisations.values() ?? [])
      await Promise.all([accessPoint, ...workers].map((child) => child.stop()));
    await running?.remove();
  }, 90_000);

  it("the dealer gives it nothing: not under its own certificates, not with tokens it mints, not as another customer, not under a clinic's name", async () => {
    const [{ details }] = await audited(running.a, "batch.prepared");
    const batchId = Buffer.from(details.batch, "hex");
    const token = mintToken({ sub: "clinic-b", role: "admin", cnf: {} }, "any");
    const asked = async (own: Parameters<typeof dealerClient>[1]) => {
      const client = closed(dealerClient(running, own, token));
      return {
        batch: await refusal(client.createBatches({ maskId, records: 1, count: 1 })),
        part: await refusal(drain(client.fetchParts({ batchIds: [batchId] }))),
      };
    };
    for (const role of ["worker", "access-point", "dealer", "operator"]) {
      const { batch, part } = await asked(await certificateOf(running.router.authority, role));
      expect([batch, part]).toEqual([expect.stringMatching(OUTSIDE), expect.stringMatching(OUTSIDE)]);
    }
    // Another customer of the dealer, and its authority under a clinic's name.
    expect(await asked(await certificateOf(mallory.authority, "worker"))).toEqual({
      batch: "NOT_FOUND MASK_NOT_FOUND",
      part: "FAILED_PRECONDITION PART_REFUSED",
    });
    for (const id of ["clinic-a", "clinic-b", "dealer"])
      expect(await asked(await certificateOf(mallory.authority, "worker", id))).toEqual({
        batch: "UNAUTHENTICATED CERTIFICATE_REFUSED",
        part: "UNAUTHENTICATED CERTIFICATE_REFUSED",
      });
    // The model owner does not take the data owner's part, nor name batches.
    const ofA = await asked(await certificateOf(authorityOf(organisation("clinic-a")), "worker"));
    expect(ofA).toEqual({ batch: "NOT_FOUND MASK_NOT_FOUND", part: "FAILED_PRECONDITION PART_REFUSED" });
  }, 90_000);

  it("the dealer opens no mask for it: neither with the clinics' agreement nor with one that it signed in their names", async () => {
    const terms = termsOf(jws);
    const client = closed(dealerClient(running, await certificateOf(mallory.authority, "access-point")));
    const plan = Buffer.from((await running.b.client.getAsset({ assetId: model.asset.id })).asset?.plan ?? []);
    const commitment = Buffer.from(terms.asset.commitment, "hex");
    const open = (agreement: string) => refusal(drain(client.openMask({ agreement, plan, commitment })));
    expect(await open(jws)).toBe("PERMISSION_DENIED NOT_MODEL_OWNER");
    const puppet = generateSigningKey();
    const forged = {
      ...terms,
      id: newId("agr"),
      modelOwner: partyTerms({ ...mallory, org: "mallory" }),
      dataOwner: { ...terms.dataOwner, signingKey: Buffer.from(puppet.publicKey).toString("base64url") },
    };
    const offer = offerAgreement(forged, { org: "mallory", privateKey: mallory.privateKey });
    expect(await open(offer)).toBe("FAILED_PRECONDITION SIGNATURE_INVALID");
    const { acceptAgreement } = await import("@parley/agreement");
    const both = acceptAgreement(offer, { org: "clinic-b", privateKey: puppet.privateKeyPem });
    expect(await open(both)).toBe("FAILED_PRECONDITION NOT_ENROLLED");
  }, 90_000);

  it("no worker opens a session to it, and no access point takes it for a worker or a member", async () => {
    const address = organisation("clinic-a").workers[0].announced.mtls;
    const bundle = [authorityOf(organisation("clinic-a")).certificateDer];
    const server = { org: "clinic-a", role: "worker", bundle: () => bundle };
    const { digest } = (await running.a.agreements.get(model.agreement)).agreement;
    // The same call with the data owner's real certificate is answered: what follows fails for the certificate alone.
    const honest = closed(
      createClient(peer.PeerServiceService, {
        address,
        credentials: mutualChannelCredentials(
          await certificateOf(authorityOf(organisation("clinic-b")), "worker"),
          server,
        ),
      }),
    );
    expect(await drain(honest.getMaskedWeights({ agreementDigest: digest, maskId }))).not.toEqual([]);
    for (const own of [
      await certificateOf(running.router.authority, "worker"),
      await certificateOf(running.router.authority, "worker", "clinic-b"),
      await certificateOf(mallory.authority, "worker", "clinic-b"),
      await certificateOf(mallory.authority, "worker"),
    ]) {
      const client = closed(
        createClient(peer.PeerServiceService, { address, credentials: mutualChannelCredentials(own, server) }),
      );
      expect(await refusal(drain(client.getMaskedWeights({ agreementDigest: digest, maskId })))).toMatch(OUTSIDE);
      const hello = (async function* (): AsyncGenerator<peer.SessionRequest> {
        yield { body: { $case: "hello", value: peer.Hello.create({ version: 1, party: 1, agreementDigest: digest }) } };
      })();
      expect(await refusal(drain(client.session(hello)))).toMatch(OUTSIDE);
      for (const id of ["clinic-a", "clinic-b"] as const) {
        const org = organisation(id);
        const fleetClient = closed(
          connect(fleet.FleetServiceService, {
            address: `localhost:${portOf(org.accessPointEnv.PARLEY_LISTEN)}`,
            own,
            server: { org: id, role: "access-point", bundle: () => [authorityOf(org).certificateDer] },
          }),
        );
        expect(await refusal(drain(fleetClient.getWeights({ agreementDigest: digest })))).toMatch(OUTSIDE);
        expect(await refusal(drain(fleetClient.getMaskedWeights({ maskId })))).toMatch(OUTSIDE);
        const mine = closed(
          connect(fleet.FleetServiceService, {
            address: `localhost:${portOf(org.accessPointEnv.PARLEY_LISTEN)}`,
            own: await certificateOf(authorityOf(org), "worker"),
            server: { org: id, role: "access-point", bundle: () => [authorityOf(org).certificateDer] },
          }),
        );
        expect(await refusal(drain(mine.getWeights({ agreementDigest: digest })))).toBe(
          id === "clinic-a" ? "no error" : "PERMISSION_DENIED NOT_MODEL_OWNER",
        );
      }
    }
    const { profile } = organisation("clinic-b");
    const jobs = await running.b.client.listJobs({ state: 0, page: undefined });
    for (const token of [mintToken({ sub: "clinic-b", role: "admin", cnf: {} }, "any"), "", "admin"]) {
      const stranger = closed(
        createClient(member.MemberServiceService, {
          address: profile.address,
          credentials: credentials.createSsl(Buffer.from(profile.ca)),
          metadata: () => ({ authorization: `Bearer ${token}` }),
        }),
      );
      expect(await refusal(stranger.whoAmI({}))).toBe("UNAUTHENTICATED API_KEY_REFUSED");
      expect(await refusal(drain(stranger.getResult({ jobId: jobs.jobs[0].job?.id ?? "" })))).toBe(
        "UNAUTHENTICATED API_KEY_REFUSED",
      );
    }
  }, 90_000);

  it("a trusted partner cannot be named as dealer, not even by a model owner that signs it", async () => {
    const { client } = running.b;
    await client.trustOrganisation({ organisationId: "mallory", fingerprint: mallory.fingerprint });
    const a = organisation("clinic-a");
    const own = await certificateOf(authorityOf(a), "access-point");
    const router = { bundle: () => [running.router.authority.certificateDer], org: "router" };
    const identity = closed(
      connect(identityProto.IdentityServiceService, {
        address: running.addresses.identity,
        own,
        server: { ...router, role: "identity" },
      }),
    );
    const { token } = await identity.issueToken({});
    const agreements = closed(
      connect(agreementsProto.AgreementsServiceService, {
        address: running.addresses.agreements,
        own,
        server: { ...router, role: "agreements" },
        token: () => Promise.resolve(token),
      }),
    );
    const terms = { ...termsOf(jws), id: newId("agr"), dealer: partyTerms({ ...mallory, org: "mallory" }) };
    const privateKey = readFileSync(join(a.folder, "signing-key.pem"), "utf8");
    await agreements.offer({ jws: offerAgreement(terms, { org: "clinic-a", privateKey }) });
    expect(await refusal(client.acceptAgreement({ agreementId: terms.id }))).toBe(
      "FAILED_PRECONDITION PINNED_KEYS_DIFFER",
    );
    expect((await running.b.agreements.get(terms.id)).ready).toBe(false);
  }, 90_000);

  it("in the place of identity and the scheduler it starts nothing: no run that nobody submitted, and none that leads to a worker of its own", async () => {
    const bound = (await audited(running.a, "run.bound")).length;
    const done = (await running.b.client.listJobs({ state: 0, page: undefined })).jobs[0].job;
    if (!done) throw new Error("a job was done before");
    // A worker of the router's own, which says it is clinic-a's: counts who comes, and what is said to it.
    const fake = await makeOrganisation("clinic-a");
    const bait = { connections: 0, bytes: 0 };
    const trap = await listen(await certificateOf(fake.authority, "worker"), bait);
    closing.push(() => trap.close());
    await Promise.all((["identity", "scheduler"] as const).map((name) => running.services.get(name)?.kill()));
    const lie = { ...fake.described, workerEndpoints: [`localhost:${(trap.address() as { port: number }).port}`] };
    const router = new Impostor(running, lie);
    closing.push(() => router.close());
    await router.start();
    const b = organisation("clinic-b");
    await b.accessPoint.kill();
    b.accessPoint = await startService({
      service: "access-point",
      name: "clinic-b-access-point",
      logs: running.logs,
      env: b.accessPointEnv,
    });
    await until(
      () => router.attached("clinic-a") && router.attached("clinic-b"),
      "both to attach to the impostor",
      60_000,
    );

    // Jobs that nobody submitted here, and one that was answered long ago.
    const reports = [
      await router.order(newId("job"), jws, 1),
      await router.order(newId("job"), jws, 100),
      await router.order(done.id, jws, 1, "clinic-a"), // another organisation's job
    ];
    for (const report of reports) expect(report).toMatchObject({ succeeded: false, error: { reason: "JOB_UNKNOWN" } });
    expect(await router.order(done.id, jws, 1)).toMatchObject({ succeeded: true, recordsRevealed: 0 });
    expect(await audited(running.b, "attempt.refused")).toHaveLength(2);
    expect(await audited(running.a, "attempt.refused")).toHaveLength(1);

    // A real job at a worker without prepared sessions, which is led to the router's: not of the pinned authority.
    await b.workers[0].kill();
    const before = await prepared();
    await b.addWorker();
    const job = await running.b
      .createJob({ operation: "predict", asset: model.asset, dataset: images(1).dataset })
      .send();
    await until(() => bait.connections > 0, "clinic-b's worker to try the impostor's address", 60_000);
    const misled = router.order(job.id, jws, 1).catch(() => undefined);
    await Promise.race([misled, new Promise((resolve) => setTimeout(resolve, 5_000))]);
    expect(bait.bytes).toBe(0);
    expect(await prepared()).toBe(before);
    expect(await audited(running.a, "run.bound")).toHaveLength(bound);
    const shown = await running.b.client.getJob({ jobId: job.id });
    expect(shown.job?.job?.state).not.toBe(done.state);
    expect(await refusal(drain(running.b.client.getResult({ jobId: job.id })))).not.toBe("no error");
    // The partner's keys stay those that people compared.
    const partner = await running.b.client.getOrganisation({ organisationId: "clinic-a" });
    expect(partner.organisation?.bundle).toEqual([Buffer.from(authorityOf(organisation("clinic-a")).certificateDer)]);
    expect(partner.organisation?.fingerprint).not.toBe(fake.fingerprint);
  }, 180_000);
});

/** A TLS server that answers nothing. */
function listen(
  own: Awaited<ReturnType<typeof certificateOf>>,
  bait: { connections: number; bytes: number },
): Promise<Server> {
  const { certificatePem, privateKeyPem } = own.current;
  const options = {
    cert: certificatePem,
    key: privateKeyPem,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
  };
  const server = createServer(options, (socket) => {
    socket.on("error", () => {}).on("data", (data: Buffer) => (bait.bytes += data.length));
  });
  server.on("connection", () => bait.connections++).on("tlsClientError", () => {});
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

type Order = NonNullable<schedulerProto.AttachResponse["body"]>;

/** Identity and scheduler under the router's real authority, on their real addresses, telling lies about clinic-a. */
class Impostor {
  readonly #key = { kid: "x", privateKey: generateSigningKey().privateKeyPem };
  readonly #reports: schedulerProto.AttemptReport[] = [];
  readonly #servers: RpcServer[] = [];
  readonly #down = new Map<string, (body: Order) => void>();

  constructor(
    private readonly running: Running,
    private readonly lie: Made["described"],
  ) {}

  async start() {
    const { addresses } = this.running;
    await this.serve("identity", addresses.identity, this.identity());
    await this.serve("scheduler", addresses.scheduler, this.scheduler());
  }

  async close() {
    await Promise.all(this.#servers.map((server) => server.close(200)));
  }

  attached(org: string): boolean {
    return this.#down.has(org);
  }

  /** Orders an attempt with a ticket of the scheduler's own making; what the access point reports of it. */
  async order(jobId: string, jws: string, records: number, org = "clinic-b"): Promise<schedulerProto.AttemptReport> {
    const { agreementDigest } = await import("@parley/agreement");
    const terms = termsOf(jws);
    const attemptId = newId("att");
    const iat = Math.floor(Date.now() / 1000);
    const [org0, org1] = [terms.modelOwner.org, terms.dataOwner.org];
    const claims: TicketClaims = {
      iss: "router/scheduler",
      aud: [org0, org1],
      jti: attemptId,
      job: jobId,
      agreement: agreementDigest(jws).toString("hex"),
      planDigest: terms.asset.planDigest,
      org0,
      org1,
      operation: "predict",
      runs: cutRuns(records, 128),
      iat,
      exp: iat + 120,
    };
    const ticket = signTicket(claims, this.#key);
    this.#down.get(org)?.({ $case: "attempt", value: { jobId, attemptId, ticket, traceparent: "" } });
    await until(() => this.#reports.some((report) => report.attemptId === attemptId), `a report of ${attemptId}`);
    return this.#reports.find((report) => report.attemptId === attemptId)!;
  }

  private async serve(role: string, address: string, binding: Binding) {
    const { authority } = this.running.router;
    const trust = new TrustStore({ router: [authority.certificateDer] });
    for (const [id, organisation] of this.running.organisations)
      trust.setBundle(id, [authorityOf(organisation).certificateDer]);
    const server = new RpcServer({
      credentials: mutualServerCredentials(await certificateOf(authority, role), trust),
      trust,
      logger: createLogger("impostor", "silent"),
      bindings: [binding],
    });
    await server.listen(`127.0.0.1:${address.split(":").at(-1)}`);
    this.#servers.push(server);
  }

  private identity(): Binding {
    const no = () => Promise.reject(new ParleyError(Code.UNIMPLEMENTED, "LIE", "not part of the lie", ""));
    return implement<identityProto.IdentityServiceServer>(
      identityProto.IdentityServiceService,
      {
        createEnrolmentToken: no,
        issueToken: () => Promise.resolve({ token: "any", expires: new Date(Date.now() + 600_000) }),
        getKeys: () => Promise.resolve({ jwks: '{"keys":[]}' }),
        getOrganisation: () => Promise.resolve({ organisation: this.lie }),
        listOrganisations: () => Promise.resolve({ organisations: [this.lie], nextToken: "" }),
        watchOrganisations: async function* () {},
        updateEndpoints: () => Promise.resolve({ organisation: this.lie }),
        revokeOrganisation: no,
      },
      { all: {} },
    );
  }

  private scheduler(): Binding {
    const job = (id: string, state: schedulerProto.JobState) =>
      schedulerProto.Job.create({ id, organisationId: "clinic-b", state });
    const attach = this.attach.bind(this);
    return implement<schedulerProto.SchedulerServiceServer>(
      schedulerProto.SchedulerServiceService,
      {
        createJob: ({ jobId }) => Promise.resolve({ job: job(jobId, schedulerProto.JobState.JOB_STATE_QUEUED) }),
        getJob: ({ jobId }) => Promise.resolve({ job: job(jobId, schedulerProto.JobState.JOB_STATE_QUEUED) }),
        listJobs: () => Promise.resolve({ jobs: [], nextToken: "" }),
        cancelJob: ({ jobId }) => Promise.resolve({ job: job(jobId, schedulerProto.JobState.JOB_STATE_CANCELLED) }),
        attach: (requests, { signal, peer }) => attach(requests, signal, peer?.org ?? ""),
        getKeys: () => Promise.resolve({ jwks: ticketKeySet([this.#key]) }),
      },
      { all: {} },
    );
  }

  private async *attach(requests: AsyncIterable<schedulerProto.AttachRequest>, signal: AbortSignal, org: string) {
    const queue: Order[] = [{ $case: "ready", value: {} }];
    let wake = () => {};
    const down = (body: Order) => (queue.push(body), wake());
    signal.addEventListener("abort", () => wake(), { once: true });
    const read = async () => {
      for await (const { body } of requests) {
        const finished = body?.$case === "hello" ? body.value.finished : body?.$case === "report" ? [body.value] : [];
        if (body?.$case === "hello") this.#down.set(org, down);
        for (const report of finished) {
          this.#reports.push(report);
          down({ $case: "recorded", value: { attemptId: report.attemptId } });
        }
      }
    };
    void read().catch(() => {});
    while (!signal.aborted) {
      const body = queue.shift();
      if (body) yield { body };
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
}
