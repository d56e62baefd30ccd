import {
  agreementDigest,
  createOneTimeToken,
  generateSigningKey,
  newId,
  organisationFingerprint,
  secretHashOf,
  signTicket,
  ticketKeySet,
  verifyEnrolmentProof,
  verifyOffer,
  type TicketClaims,
} from "@parley/agreement";
import { cutRuns } from "@parley/plan";
import { Code, ParleyError, agreements, enrolment, identity, registry, scheduler, type common } from "@parley/proto";
import {
  RpcServer,
  TrustStore,
  implement,
  mutualServerCredentials,
  serverCredentials,
  type Binding,
  type Handlers,
  type Logger,
} from "@parley/service-kit";
import { testOrganisation, type TestOrganisation } from "@parley/service-kit/testing";
import { MessageQueue } from "@parley/service-kit";

type Job = scheduler.CreateJobRequest & { readonly org: string };

const unused = (): never => {
  throw new ParleyError(Code.UNIMPLEMENTED, "UNIMPLEMENTED", "not part of this fake");
};

/** A router whose every answer a test can bend. The access points talk to it over real sockets with real certificates. */
export class FakeRouter {
  readonly organisations = new Map<string, common.Organisation>();
  readonly assets = new Map<string, registry.Asset>();
  readonly agreements = new Map<string, agreements.Agreement>();
  readonly jobs = new Map<string, Job>();
  readonly reports: scheduler.AttemptReport[] = [];
  readonly accepted: string[] = [];
  readonly runReports: string[] = [];
  readonly revocations: string[] = [];
  /** Workers' addresses stated in the place of what an organisation published. */
  readonly endpoints = new Map<string, string[]>();
  /** What the scheduler refuses new jobs with. */
  refuseJobs: ParleyError | undefined;
  /** State that GetJob states, by job. */
  readonly jobStates = new Map<string, scheduler.JobState>();
  readonly ticketKey = { kid: "t1", privateKey: generateSigningKey().privateKeyPem };
  private readonly orders = new Map<string, MessageQueue<scheduler.AttachResponse>>();
  private readonly watchers = new Set<{ org: string; queue: MessageQueue<agreements.WatchAgreementsResponse> }>();
  private readonly secrets = new Map<string, string>();
  private readonly signing = generateSigningKey();
  private readonly trust = new TrustStore();
  private readonly servers: RpcServer[] = [];
  private enrolAddress = "";
  private services: Record<string, string> = {};

  private constructor(private readonly authority: TestOrganisation) {}

  static async start(logger: Logger): Promise<FakeRouter> {
    const router = new FakeRouter(await testOrganisation("router"));
    await router.serve(logger);
    return router;
  }

  async close() {
    for (const queue of this.orders.values()) queue.end();
    for (const { queue } of this.watchers) queue.end();
    await Promise.all(this.servers.map((server) => server.close(200)));
  }

  enrolmentToken(org: string): string {
    const { token, secretHash } = createOneTimeToken({
      address: this.enrolAddress,
      caDer: this.authority.bundle[0],
      validSeconds: 60,
    });
    this.secrets.set(secretHash.toString("hex"), org);
    return token;
  }

  /** A certificate of one of the router's services. */
  certificate(role: string) {
    return this.authority.certificate(role);
  }

  attached(org: string): boolean {
    return this.orders.has(org);
  }

  /** A ticket for a job; `change` is what a dishonest scheduler would write. */
  async ticket(job: Job, attempt: string, change: Partial<TicketClaims> = {}, key = this.ticketKey): Promise<string> {
    const agreement = [...this.agreements.values()].find(({ id }) => id === job.agreementId)!;
    const asset = this.assets.get(job.assetId)!;
    const now = Math.floor(Date.now() / 1000);
    const claims: TicketClaims = {
      iss: "router/scheduler",
      aud: [agreement.modelOwner, agreement.dataOwner],
      jti: attempt,
      job: job.jobId,
      agreement: agreement.digest.toString("hex"),
      planDigest: asset.planDigest.toString("hex"),
      org0: agreement.modelOwner,
      org1: agreement.dataOwner,
      operation: "predict",
      runs: cutRuns(job.records, job.maxRecords),
      iat: now,
      exp: now + 120,
      ...change,
    };
    return signTicket(claims, key);
  }

  /** Orders an attempt of a job, as it is or with another ticket. */
  async order(job: Job, ticket?: string, attempt = newId("att")): Promise<string> {
    const signed = ticket ?? (await this.ticket(job, attempt));
    this.down(job.org, {
      $case: "attempt",
      value: { jobId: job.jobId, attemptId: attempt, ticket: signed, traceparent: "" },
    });
    return attempt;
  }

  down(org: string, body: NonNullable<scheduler.AttachResponse["body"]>) {
    this.orders.get(org)!.push({ body });
  }

  /** Ends an organisation's stream to the scheduler, as a restart of the scheduler does. */
  dropStream(org: string) {
    this.orders.get(org)?.end();
    this.orders.delete(org);
  }

  /** Tells an organisation of an agreement, true or not. */
  tell(agreement: agreements.Agreement, ...orgs: string[]) {
    for (const { org, queue } of this.watchers) if (orgs.includes(org)) queue.push({ agreement, synchronised: false });
  }

  private async serve(logger: Logger) {
    const identityHolder = await this.certificate("identity");
    const enrolServer = new RpcServer({
      credentials: serverCredentials(identityHolder),
      logger,
      bindings: [this.enrolment()],
    });
    this.servers.push(enrolServer);
    this.enrolAddress = `localhost:${await enrolServer.listen("127.0.0.1:0")}`;
    const bindings = {
      identity: this.identity(),
      registry: this.registry(),
      agreements: this.agreementsService(),
      scheduler: this.scheduler(),
    };
    for (const [name, binding] of Object.entries(bindings)) {
      const server = new RpcServer({
        credentials: mutualServerCredentials(await this.certificate(name), this.trust),
        trust: this.trust,
        logger,
        bindings: [binding],
      });
      this.servers.push(server);
      this.services[name] = `localhost:${await server.listen("127.0.0.1:0")}`;
    }
  }

  private enrolment(): Binding {
    return implement<enrolment.EnrolmentServiceServer>(
      enrolment.EnrolmentServiceService,
      {
        enrol: async ({ secret, organisation, proof }) => {
          const hash = secretHashOf(secret);
          const org = this.secrets.get(hash.toString("hex"));
          this.secrets.delete(hash.toString("hex"));
          if (
            !organisation ||
            org !== organisation.id ||
            !verifyEnrolmentProof(organisation.signingKey, hash, org, proof)
          )
            throw new ParleyError(Code.PERMISSION_DENIED, "TOKEN", "refused");
          this.organisations.set(org, organisation);
          this.trust.setBundle(org, organisation.bundle);
          const keys = { id: "router", bundle: this.authority.bundle, signingKey: this.signing.publicKey };
          const issuer = {
            id: "router",
            bundle: keys.bundle.map((der) => Buffer.from(der)),
            signingKey: Buffer.from(keys.signingKey),
            workerEndpoints: [],
            fingerprint: organisationFingerprint(keys),
            revoked: false,
          };
          return { organisation, issuer, services: this.services };
        },
      },
      { all: {} },
    );
  }

  private identity(): Binding {
    const handlers: Partial<Handlers<identity.IdentityServiceServer>> = {
      issueToken: async () => ({ token: "identity-token", expires: new Date(Date.now() + 60_000) }),
      getOrganisation: async ({ organisationId }) => {
        const organisation = this.organisations.get(organisationId);
        if (!organisation) throw new ParleyError(Code.NOT_FOUND, "ORGANISATION_UNKNOWN", `no ${organisationId}`);
        const workerEndpoints = this.endpoints.get(organisationId) ?? organisation.workerEndpoints;
        return { organisation: { ...organisation, workerEndpoints } };
      },
      updateEndpoints: async ({ workerEndpoints }, { peer }) => {
        const organisation = { ...this.organisations.get(peer!.org)!, workerEndpoints };
        this.organisations.set(peer!.org, organisation);
        return { organisation };
      },
    };
    return this.bind(identity.IdentityServiceService, handlers);
  }

  private registry(): Binding {
    const handlers: Partial<Handlers<registry.RegistryServiceServer>> = {
      putAsset: async ({ asset }, { peer }) => {
        const stored = { ...asset!, organisationId: peer!.org, createdAt: new Date() };
        this.assets.set(stored.id, stored);
        return { asset: stored };
      },
      getAsset: async ({ assetId }) => {
        const asset = this.assets.get(assetId);
        if (!asset) throw new ParleyError(Code.NOT_FOUND, "ASSET_UNKNOWN", `no asset ${assetId}`);
        return { asset };
      },
      listAssets: async () => ({ assets: [...this.assets.values()], nextToken: "" }),
    };
    return this.bind(registry.RegistryServiceService, handlers);
  }

  private agreementsService(): Binding {
    const { AgreementState } = agreements;
    const change = (id: string, to: Partial<agreements.Agreement>) => {
      const changed = { ...this.agreements.get(id)!, ...to };
      this.agreements.set(id, changed);
      this.tell(changed, changed.modelOwner, changed.dataOwner);
      return changed;
    };
    const handlers: Partial<Handlers<agreements.AgreementsServiceServer>> = {
      offer: async ({ jws }) => {
        const { terms } = verifyOffer(jws);
        const agreement: agreements.Agreement = {
          id: terms.id,
          jws,
          digest: agreementDigest(jws),
          state: AgreementState.AGREEMENT_STATE_OFFERED,
          modelOwner: terms.modelOwner.org,
          dataOwner: terms.dataOwner.org,
          assetId: terms.asset.id,
          quota: BigInt(terms.records),
          reserved: 0n,
          used: 0n,
          expires: new Date(terms.expires),
          createdAt: new Date(),
        };
        this.agreements.set(terms.id, agreement);
        return { agreement };
      },
      accept: async ({ agreementId, jws }) => ({
        agreement: change(agreementId, { jws, state: AgreementState.AGREEMENT_STATE_ACTIVE }),
      }),
      getAgreement: async ({ agreementId }) => {
        const agreement = this.agreements.get(agreementId);
        if (!agreement) throw new ParleyError(Code.NOT_FOUND, "AGREEMENT_UNKNOWN", `no agreement ${agreementId}`);
        return { agreement };
      },
      listAgreements: async () => ({ agreements: [...this.agreements.values()], nextToken: "" }),
      watchAgreements: (_, { peer, signal }) => {
        const queue = new MessageQueue<agreements.WatchAgreementsResponse>();
        const watcher = { org: peer!.org, queue };
        this.watchers.add(watcher);
        for (const agreement of this.agreements.values()) queue.push({ agreement, synchronised: false });
        queue.push({ agreement: undefined, synchronised: true });
        signal.addEventListener("abort", () => (queue.end(), this.watchers.delete(watcher)));
        return queue;
      },
      revokeAgreement: async ({ agreementId, statement }) => {
        this.revocations.push(statement);
        return { agreement: change(agreementId, { state: AgreementState.AGREEMENT_STATE_REVOKED }) };
      },
      reportRuns: async ({ reports }) => {
        this.runReports.push(...reports);
        return { outcomes: reports.map(() => ({ code: Code.OK, reason: "", message: "", hint: "" })) };
      },
    };
    return this.bind(agreements.AgreementsServiceService, handlers);
  }

  private scheduler(): Binding {
    const jobOf = ({ jobId: id, org: organisationId, records }: Job): scheduler.Job => {
      const state = this.jobStates.get(id) ?? scheduler.JobState.JOB_STATE_QUEUED;
      const error = { code: Code.ABORTED, reason: "GIVEN_UP", message: `job ${id} was given up`, hint: "" };
      return scheduler.Job.fromPartial({ id, organisationId, records, state, error });
    };
    const handlers: Partial<Handlers<scheduler.SchedulerServiceServer>> = {
      createJob: async (request, { peer }) => {
        if (this.refuseJobs) throw this.refuseJobs;
        const job = { ...request, org: peer!.org };
        this.jobs.set(request.jobId, job);
        return { job: jobOf(job) };
      },
      getJob: async ({ jobId }) => ({ job: jobOf(this.jobs.get(jobId)!) }),
      cancelJob: async ({ jobId }) => {
        this.jobStates.set(jobId, scheduler.JobState.JOB_STATE_CANCELLED);
        return { job: jobOf(this.jobs.get(jobId)!) };
      },
      getKeys: async () => ({ jwks: ticketKeySet([this.ticketKey]) }),
      attach: (requests, { peer, signal }) => this.attach(requests, peer!.org, signal),
    };
    return this.bind(scheduler.SchedulerServiceService, handlers);
  }

  private attach(requests: AsyncIterable<scheduler.AttachRequest>, org: string, signal: AbortSignal) {
    const queue = new MessageQueue<scheduler.AttachResponse>();
    signal.addEventListener("abort", () => {
      queue.end();
      if (this.orders.get(org) === queue) this.orders.delete(org);
    });
    const take = (report: scheduler.AttemptReport) => {
      this.reports.push(report);
      queue.push({ body: { $case: "recorded", value: { attemptId: report.attemptId } } });
    };
    void (async () => {
      for await (const { body } of requests) {
        if (body?.$case === "hello") {
          body.value.finished.forEach(take);
          queue.push({ body: { $case: "ready", value: {} } });
          this.orders.set(org, queue);
        } else if (body?.$case === "report") take(body.value);
        else if (body?.$case === "accepted") this.accepted.push(body.value.attemptId);
      }
    })().catch(() => {});
    return queue;
  }

  /** Methods that the test has no need of answer UNIMPLEMENTED. */
  private bind(definition: Binding["definition"], handlers: object): Binding {
    const all = Object.fromEntries(
      Object.keys(definition).map((name) => [name, (handlers as Record<string, unknown>)[name] ?? unused]),
    );
    return { definition, handlers: all as Binding["handlers"], access: () => ({ roles: ["access-point"] }) };
  }
}
