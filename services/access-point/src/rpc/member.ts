import { verifyAgreement, verifyOffer } from "@parley/agreement";
import { parsePlan, planDigest } from "@parley/plan";
import { Code, ParleyError, member, type registry } from "@parley/proto";
import { implement, type Binding } from "@parley/service-kit";
import type { AccessControl } from "../domain/access-control.js";
import type { AgreementDesk } from "../domain/agreement-desk.js";
import type { Doctor } from "../domain/doctor/doctor.js";
import type { Enrolment } from "../domain/enrolment.js";
import { describe } from "../domain/enrolment.js";
import { statusOf, type JobBoard } from "../domain/jobs/job-board.js";
import type { Submission } from "../domain/jobs/submission.js";
import type { OwnOrganisation } from "../domain/own-organisation.js";
import type { Publication } from "../domain/publication.js";
import { invalid, notFound, refusing } from "../domain/refusal.js";
import type { Router } from "../domain/router.js";
import { traceOf } from "../domain/trace/job-trace.js";
import type { User } from "../store/access-keys.js";
import type { Vault } from "../store/vault.js";
import type { SelfTest } from "../domain/self-test.js";
import type { WorkerAdmission } from "./worker-admission.js";
import type { WorkerEnrolment } from "./worker-enrolment.js";

const VERSION = "0.1.0";
const PAGE = 100;
const MAX_PAGE = 1000;
/** A state that lasts for less is not told to whoever waits for the end in one call. */
const CALM_MS = 25;

interface Parts {
  readonly own: OwnOrganisation;
  readonly vault: Vault;
  readonly access: AccessControl;
  readonly enrolment: Enrolment;
  readonly workers: WorkerEnrolment;
  readonly admission: WorkerAdmission;
  readonly selfTest: SelfTest;
  readonly publication: Publication;
  readonly desk: AgreementDesk;
  readonly submission: Submission;
  readonly board: JobBoard;
  readonly router: Router;
  readonly doctor: Doctor;
}

const pageSize = (limit = 0) => Math.min(limit || PAGE, MAX_PAGE);
/** Administrators and auditors see everybody's jobs, others their own. */
const scopeOf = ({ user, roles }: User) =>
  roles.some((role) => role === "admin" || role === "auditor") ? undefined : user;

/** What people and programs of this organisation call. */
export function memberBinding(parts: Parts): Binding {
  const {
    own,
    vault,
    access,
    enrolment,
    workers,
    publication,
    desk,
    submission,
    board,
    router,
    doctor,
    selfTest,
    admission,
  } = parts;
  const ANY = ["publisher", "scientist", "auditor"] as const;
  return implement<member.MemberServiceServer>(
    member.MemberServiceService,
    {
      whoAmI: async (_, context) => {
        const { user, roles } = access.require(context, ...ANY);
        const enrolledAt = (["router", "dealer"] as const).filter((kind) => vault.organisations.issuer(kind));
        return { organisation: describe(own.keys), user, roles: [...roles], version: VERSION, enrolledAt };
      },
      enrolOrganisation: async ({ token, operator }, context) => {
        const { user } = access.require(context);
        if (operator !== member.Operator.OPERATOR_ROUTER && operator !== member.Operator.OPERATOR_DEALER)
          throw invalid("OPERATOR", "say whose token it is: the router's or the dealer's", "Use --router or --dealer.");
        const kind = operator === member.Operator.OPERATOR_ROUTER ? "router" : "dealer";
        return enrolment.enrol(token, kind, user, context.trace.traceId);
      },
      getOrganisation: async ({ organisationId }, context) => {
        access.require(context, ...ANY);
        return enrolment.find(organisationId);
      },
      createWorkerToken: async (request, context) => {
        const { user } = access.require(context);
        return workers.createToken(request, user, context.trace.traceId);
      },
      revokeWorkerTokens: async (_, context) => {
        const { user } = access.require(context);
        return { revoked: workers.revokeTokens(user, context.trace.traceId) };
      },
      revokeWorker: async ({ name }, context) => {
        const { user } = access.require(context);
        return admission.revoke(name, user, context.trace.traceId);
      },
      createSelfTestTokens: async (_, context) => {
        const { user } = access.require(context);
        return selfTest.createTokens(user, context.trace.traceId);
      },
      createApiKey: async ({ user: name, roles }, context) => {
        const { user } = access.require(context);
        return { apiKey: access.createKey(name, roles, user, context.trace.traceId) };
      },
      revokeApiKey: async ({ user: name }, context) => {
        const { user } = access.require(context);
        access.revokeKey(name, user, context.trace.traceId);
        return {};
      },
      trustOrganisation: async ({ organisationId, fingerprint }, context) => {
        const { user } = access.require(context);
        return { organisation: await enrolment.trust(organisationId, fingerprint, user, context.trace.traceId) };
      },
      publishAsset: async (requests, context) => {
        const { user } = access.require(context, "publisher");
        return publication.publish(requests, user, context.trace.traceId);
      },
      getAsset: async ({ assetId }, context) => {
        access.require(context, ...ANY);
        const { asset } = await router.registry.getAsset({ assetId });
        return { asset: await checked(asset, assetId) };
      },
      listAssets: async (request, context) => {
        access.require(context, ...ANY);
        return router.registry.listAssets(request);
      },
      offerAgreement: async (request, context) => {
        const { user } = access.require(context, "publisher");
        return { agreement: await desk.offer(request, user, context.trace.traceId) };
      },
      acceptAgreement: async ({ agreementId }, context) => {
        const { user } = access.require(context, "publisher");
        return { agreement: await desk.accept(agreementId, user, context.trace.traceId) };
      },
      getAgreement: async ({ agreementId }, context) => {
        access.require(context, ...ANY);
        const { agreement } = await router.agreements.getAgreement({ agreementId });
        return { agreement, terms: JSON.stringify(termsOf(agreement?.jws ?? "")), ready: desk.isReady(agreementId) };
      },
      listAgreements: async (request, context) => {
        access.require(context, ...ANY);
        return router.agreements.listAgreements(request);
      },
      revokeAgreement: async ({ agreementId, reason }, context) => {
        const { user } = access.require(context, "publisher");
        return { agreement: await desk.revoke(agreementId, reason, user, context.trace.traceId) };
      },
      submitJob: async (requests, context) => {
        const { user } = access.require(context, "scientist");
        return { job: board.view(await submission.submit(requests, user, context.trace)) };
      },
      getJob: async ({ jobId }, context) => {
        const user = access.require(context, "scientist", "auditor");
        return { job: board.view(board.find(jobId, scopeOf(user))) };
      },
      listJobs: async ({ state, page }, context) => {
        const user = access.require(context, "scientist", "auditor");
        const limit = pageSize(page?.limit);
        const jobs = vault.jobs.list({
          state: statusOf(state),
          user: scopeOf(user),
          before: page?.token || undefined,
          limit,
        });
        return { jobs: jobs.map((job) => board.view(job)), nextToken: jobs.length === limit ? jobs.at(-1)!.id : "" };
      },
      runJob: async function* (requests, context) {
        const { user } = access.require(context, "scientist");
        const { id } = await submission.submit(requests, user, context.trace);
        const reader = { job: id, actor: `${own.id}/${user}`, traceId: context.trace.traceId };
        yield* board.watch(id, user, context.signal, { calmMs: CALM_MS, reader });
      },
      watchJob: async function* ({ jobId, withResult }, context) {
        if (!withResult) {
          const user = access.require(context, "scientist", "auditor");
          yield* board.watch(jobId, scopeOf(user), context.signal);
          return;
        }
        const { user, roles } = access.require(context, "scientist");
        const reader = { job: jobId, actor: `${own.id}/${user}`, traceId: context.trace.traceId };
        yield* board.watch(jobId, roles.includes("admin") ? undefined : user, context.signal, { reader });
      },
      cancelJob: async ({ jobId }, context) => {
        const user = access.require(context, "scientist");
        return { job: board.view(await board.cancel(jobId, scopeOf(user), user.user)) };
      },
      getResult: async function* ({ jobId }, context) {
        const user = access.require(context, "scientist");
        vault.audit.append({
          action: "result.read",
          actor: `${own.id}/${user.user}`,
          subject: jobId.slice(0, 64),
          traceId: context.trace.traceId,
        });
        yield* board.result(jobId, user.roles.includes("admin") ? undefined : user.user);
      },
      getJobTrace: async ({ jobId }, context) => {
        const user = access.require(context, "scientist", "auditor");
        const job = board.find(jobId, scopeOf(user));
        return traceOf(vault, own, job, board.view(job).job!.state);
      },
      checkConnections: async function* ({ idleMs }, context) {
        access.require(context);
        for await (const finding of doctor.check(idleMs, context.signal)) yield { findings: [finding] };
      },
      listAudit: async ({ subject, page }, context) => {
        access.require(context, "auditor");
        const limit = pageSize(page?.limit);
        const after = Number(page?.token || 0);
        if (!Number.isSafeInteger(after)) throw invalid("PAGE", "the page token is not one of this log");
        const entries = vault.audit.list(subject, after, limit);
        return { entries, nextToken: entries.length === limit ? String(entries.at(-1)!.sequence) : "" };
      },
    },
    { all: {} },
  );
}

/** Terms for people; whether they hold is decided elsewhere. Expired ones are shown too. */
function termsOf(jws: string): unknown {
  const now = new Date(0);
  for (const read of [() => verifyOffer(jws, { now }), () => verifyAgreement(jws, { now: startOf(jws) })])
    try {
      return read().terms;
    } catch {
      // the other form
    }
  throw new ParleyError(
    Code.DATA_LOSS,
    "AGREEMENT_UNREADABLE",
    "the router's copy of the agreement does not verify",
    "Do not rely on it.",
  );
}

function startOf(jws: string): Date {
  const payload = (JSON.parse(jws) as { payload: string }).payload;
  return new Date((JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as { notBefore: string }).notBefore);
}

async function checked(asset: registry.Asset | undefined, id: string): Promise<registry.Asset> {
  if (!asset) throw notFound("ASSET_UNKNOWN", `there is no asset ${id}`, "List assets with `parley asset list`.");
  const digest = await refusing(() => planDigest(parsePlan(JSON.parse(asset.plan.toString("utf8")))));
  if (asset.planDigest.equals(digest)) return asset;
  throw new ParleyError(
    Code.DATA_LOSS,
    "PLAN_DIGEST",
    `the registry's plan of ${id} does not have the digest that it states`,
    "Do not use it; ask its owner.",
  );
}
