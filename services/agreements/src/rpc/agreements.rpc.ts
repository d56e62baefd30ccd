import { isId, pinnedKeys, termsOf, verifyStatement } from "@parley/agreement";
import { Code, ParleyError, agreements } from "@parley/proto";
import { implement, type AuditLog, type Binding, type CallContext } from "@parley/service-kit";
import type { AgreementFeed } from "../domain/agreement-feed.js";
import { presentAgreement, stateName } from "../domain/present.js";
import type { Quota } from "../domain/quota.js";
import { agreementNotFound, refusing, wrongState } from "../domain/refusal.js";
import { checkAcceptance, checkOffer, type FindOrganisation } from "../domain/signed-agreement.js";
import type { AgreementRow, AgreementStore } from "../store/agreement-store.js";
import type { ReservationStore } from "../store/reservation-store.js";
import { auditHandlers } from "./audit.rpc.js";
import { quotaHandlers } from "./quota.rpc.js";

export interface AgreementsDependencies {
  readonly store: AgreementStore;
  readonly reservations: ReservationStore;
  readonly quota: Quota;
  readonly feed: AgreementFeed;
  readonly audit: AuditLog;
  readonly find: FindOrganisation;
  /** Trust domain of the router. */
  readonly domain: string;
  /** How long after the last ticket of an ended job the model owner's reports are awaited, milliseconds. */
  readonly settleMs: number;
}

const MAX_PAGE = 1000;
const ROUTER_SERVICES = ["identity", "registry", "agreements", "scheduler", "console"];

export const callerOf = ({ token }: CallContext): string => {
  if (!token) throw new Error("the access rule asks for a token");
  return token.org;
};

export function agreementsBinding(d: AgreementsDependencies): Binding {
  const scheduler = { roles: ["scheduler"], org: d.domain };
  return implement<agreements.AgreementsServiceServer>(
    agreements.AgreementsServiceService,
    { ...agreementHandlers(d), ...quotaHandlers(d), ...auditHandlers(d) },
    {
      all: { roles: ["access-point"], token: true },
      except: {
        reserve: scheduler,
        release: scheduler,
        listReservations: scheduler,
        appendAudit: { roles: ROUTER_SERVICES, org: d.domain },
      },
    },
  );
}

/** An agreement of the caller's organisation. @throws ParleyError NOT_FOUND */
export async function own(store: AgreementStore, id: string, org: string): Promise<AgreementRow> {
  const row = isId("agr", id) ? await store.get(id) : undefined;
  if (!row || (row.modelOwner !== org && row.dataOwner !== org)) throw agreementNotFound(id);
  return row;
}

function agreementHandlers(d: AgreementsDependencies) {
  const event = (action: string, actor: string, row: { id: string; modelOwner: string; dataOwner: string }) => ({
    action,
    actor,
    subject: row.id,
    organisations: [row.modelOwner, row.dataOwner],
  });
  return {
    offer: async ({ jws }: agreements.OfferRequest, context: CallContext) => {
      const caller = callerOf(context);
      const { terms, digest } = checkOffer(jws, caller, d.find);
      const parties = { id: terms.id, modelOwner: terms.modelOwner.org, dataOwner: terms.dataOwner.org };
      const agreement = {
        ...parties,
        jws,
        digest,
        offeredBy: caller,
        assetId: terms.asset.id,
        operation: terms.operation,
        quota: terms.records,
        notBefore: new Date(terms.notBefore),
        expires: new Date(terms.expires),
      };
      const isNew = await d.store.offer(agreement, event("agreement.offered", caller, parties));
      const row = await d.store.get(terms.id);
      if (!row || (!isNew && (row.jws !== jws || row.offeredBy !== caller)))
        throw new ParleyError(
          Code.ALREADY_EXISTS,
          "AGREEMENT_EXISTS",
          `there already is an agreement ${terms.id}`,
          "Draw a new id for a new offer.",
        );
      await d.feed.poke();
      return { agreement: presentAgreement(row) };
    },
    accept: async ({ agreementId, jws }: agreements.AcceptRequest, context: CallContext) => {
      const caller = callerOf(context);
      const row = await own(d.store, agreementId, caller);
      if (row.state === "active" && row.jws === jws) return { agreement: presentAgreement(row) };
      if (row.state !== "offered") throw wrongState(row.id, row.state, "an open offer");
      checkAcceptance(jws, row.jws, caller, d.find);
      const to = { state: "active" as const, jws };
      const active = await d.store.change(row.id, ["offered"], to, event("agreement.accepted", caller, row));
      if (!active) throw wrongState(row.id, (await own(d.store, agreementId, caller)).state, "an open offer");
      await d.feed.poke();
      return { agreement: presentAgreement(active) };
    },
    getAgreement: async ({ agreementId }: agreements.GetAgreementRequest, context: CallContext) => ({
      agreement: presentAgreement(await own(d.store, agreementId, callerOf(context))),
    }),
    listAgreements: async ({ state, page }: agreements.ListAgreementsRequest, context: CallContext) => {
      const limit = Math.min(page?.limit || 100, MAX_PAGE);
      const query = { org: callerOf(context), state: stateName(state), before: page?.token, limit };
      const rows = await d.store.list(query);
      return {
        agreements: rows.map((row) => presentAgreement(row)),
        nextToken: rows.length === limit ? rows[limit - 1].id : "",
      };
    },
    watchAgreements: async function* (_: agreements.WatchAgreementsRequest, context: CallContext) {
      const org = callerOf(context);
      const changes = d.feed.changes(org, context.signal); // before the listing: nothing between the two is missed
      const first = changes.next();
      const sent = new Map<string, number>();
      for (let before: string | undefined; ;) {
        const rows = await d.store.list({ org, before, limit: MAX_PAGE });
        for (const row of rows) {
          sent.set(row.id, row.revision);
          yield { agreement: presentAgreement(row), synchronised: false };
        }
        if (rows.length < MAX_PAGE) break;
        before = rows[MAX_PAGE - 1].id;
      }
      yield { agreement: undefined, synchronised: true };
      for (let change = await first; !change.done; change = await changes.next()) {
        const row = change.value;
        if ((sent.get(row.id) ?? -1) >= row.revision) continue; // the listing had it, or a later state, already
        sent.set(row.id, row.revision);
        yield { agreement: presentAgreement(row), synchronised: false };
      }
    },
    revokeAgreement: async ({ agreementId, statement }: agreements.RevokeAgreementRequest, context: CallContext) => {
      const caller = callerOf(context);
      const row = await own(d.store, agreementId, caller);
      const { body } = refusing(() => verifyStatement("revocation", statement, keyOf(row, caller)));
      if (body.agreement !== row.id)
        throw new ParleyError(
          Code.INVALID_ARGUMENT,
          "STATEMENT_INVALID",
          `the revocation is of agreement ${body.agreement}, not of ${row.id}`,
        );
      const to = { state: "revoked" as const, revocation: statement };
      const revoked = await d.store.change(
        row.id,
        ["offered", "active", "suspended"],
        to,
        event("agreement.revoked", caller, row),
      );
      if (!revoked && row.state !== "revoked") throw wrongState(row.id, row.state, "open");
      await d.feed.poke();
      return { agreement: presentAgreement(revoked ?? row) };
    },
  };
}

/** The key that the terms pin for a party; they were checked against the enrolled one when they were stored. */
export function keyOf(row: AgreementRow, org: string): Uint8Array {
  const { modelOwner, dataOwner } = termsOf(row.jws);
  return pinnedKeys(modelOwner.org === org ? modelOwner : dataOwner).signingKey;
}
