import { createOneTimeToken, isName } from "@parley/agreement";
import { expandMask } from "@parley/correlation";
import { Code, ParleyError, dealer } from "@parley/proto";
import {
  count as addTo,
  implement,
  inviterOf,
  type AuditLog,
  type Binding,
  type CallContext,
  type Peer,
} from "@parley/service-kit";
import { randomBytes } from "node:crypto";
import type { Dealings } from "../domain/dealings.js";
import { cutShort, dealParts, notGiven } from "../domain/deal-parts.js";
import type { PeriodKeys } from "../domain/keys.js";
import type { MaskOpening } from "../domain/open-mask.js";
import { RefusalNotes } from "../domain/refusal-notes.js";
import type { Sealing } from "../domain/sealing.js";
import type { Ledger } from "../store/ledger.js";
import type { MaskStore } from "../store/mask-store.js";
import type { OrganisationStore } from "../store/organisation-store.js";

export interface DealerDependencies {
  readonly organisations: OrganisationStore;
  readonly masks: MaskStore;
  readonly ledger: Ledger;
  readonly opening: MaskOpening;
  readonly dealings: Dealings;
  readonly periods: PeriodKeys;
  readonly sealing: Sealing;
  readonly audit: AuditLog;
  readonly domain: string;
  /** Whether access points may invite their self-test organisations. */
  readonly selfTest: boolean;
  readonly authorityDer: Buffer;
  readonly enrolAddress: () => string;
}

const DAY = 86_400;
const MAX_TOKEN_SECONDS = 30 * DAY;
/** A batch that was not fetched by then is dead. Both parties fetch as soon as it is named; what was fetched stays good. */
const BATCH_LIFE_MS = 3 * 60_000;
/** Batches of one call. */
const MOST_BATCHES = 64;
/** Unspent batches of an agreement, for each prepared session that it allows: what is under way to its streams, and what was lost with some. */
const UNSPENT_PER_PREPARED = 4 * MOST_BATCHES;
const EMPTY = Buffer.alloc(0);

const peerOf = ({ peer }: CallContext): Peer => {
  if (!peer) throw new Error("mutual TLS gives a peer");
  return peer;
};

const noMask = () =>
  new ParleyError(
    Code.NOT_FOUND,
    "MASK_NOT_FOUND",
    "there is no active mask of that id for this organisation",
    "The model owner's access point opens a mask when an agreement becomes active.",
  );

function requireCount(count: number): void {
  if (count >= 1 && count <= MOST_BATCHES) return;
  throw new ParleyError(
    Code.INVALID_ARGUMENT,
    "COUNT_INVALID",
    `${count} batches cannot be had in one call`,
    `Ask for 1 to ${MOST_BATCHES}.`,
  );
}

export function dealerBinding(d: DealerDependencies): Binding {
  const inviters = { roles: ["operator", "access-point"] };
  const accessPoint = { roles: ["access-point"] };
  const refusals = new RefusalNotes();
  /** Organisations that were last given a model owner's part. */
  const servers = new Set<string>();
  return implement<dealer.DealerServiceServer>(
    dealer.DealerServiceService,
    {
      createEnrolmentToken: async ({ organisationId, validSeconds }, { peer }) => {
        const actor = inviterOf(peer, organisationId, d);
        if (!isName(organisationId))
          throw new ParleyError(
            Code.INVALID_ARGUMENT,
            "NAME_INVALID",
            `"${organisationId.slice(0, 80)}" cannot be the name of an organisation`,
            "Use lower-case letters, digits and hyphens.",
          );
        const seconds = Math.min(validSeconds || DAY, MAX_TOKEN_SECONDS);
        const { token, secretHash, expires } = createOneTimeToken({
          address: d.enrolAddress(),
          caDer: d.authorityDer,
          validSeconds: seconds,
        });
        await d.organisations.addToken(secretHash, organisationId, expires);
        await d.audit.append({
          action: "enrolment-token.created",
          actor,
          subject: organisationId,
        });
        return { token, expires };
      },
      openMask: async function* (request, context) {
        const { org } = peerOf(context);
        const mask = await d.opening.open(request, org);
        const maskId = mask.id;
        try {
          await d.audit.append({
            action: "mask.opened",
            actor: org,
            subject: maskId.toString("hex"),
            details: { agreement: mask.agreementId },
            organisations: [org, mask.dataOwner],
          });
          yield { maskId, nonce: mask.nonce, chunk: EMPTY };
          for await (const chunk of expandMask(mask.key, maskId, mask.plan)) {
            if (context.signal.aborted) throw cutShort();
            yield { maskId: EMPTY, nonce: EMPTY, chunk: Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) };
            await new Promise((resolve) => setImmediate(resolve)); // other calls get their turn between pieces
          }
        } finally {
          mask.key.fill(0);
        }
      },
      endMask: async ({ maskId }, context) => {
        const { org } = peerOf(context);
        if (!(await d.masks.end(maskId, org))) throw noMask();
        d.dealings.forget(maskId);
        await d.audit.append({
          action: "mask.ended",
          actor: org,
          subject: maskId.toString("hex"),
          organisations: [org],
        });
        return {};
      },
      createBatches: async ({ maskId, records, count }, context) => {
        const { org } = peerOf(context);
        const mask = await d.masks.active(maskId);
        if (!mask || mask.org1 !== org) throw noMask();
        const { maxRecords } = JSON.parse(mask.plan) as { maxRecords: number };
        if (records < 1 || records > maxRecords || (records & (records - 1)) !== 0)
          throw new ParleyError(
            Code.INVALID_ARGUMENT,
            "RECORDS_INVALID",
            `a batch for ${records} records is not dealt: powers of two up to ${maxRecords} are`,
            "Cut the job into runs as its ticket says.",
          );
        requireCount(count);
        const batchIds = Array.from({ length: count }, () => randomBytes(16));
        const expires = new Date(Date.now() + BATCH_LIFE_MS);
        const periodId = await d.periods.currentId();
        const { org0, org1, agreementDigest, maxPrepared } = mask;
        const stored = await d.ledger.create(
          batchIds.map((id) => ({ id, maskId, periodId, records, org0, org1, expires })),
          agreementDigest,
          UNSPENT_PER_PREPARED * maxPrepared,
        );
        if (!stored)
          throw new ParleyError(
            Code.RESOURCE_EXHAUSTED,
            "TOO_MANY_BATCHES",
            "too many batches of this agreement are waiting to be used",
            "Use them, or wait until they expire.",
          );
        return { batchIds, expires };
      },
      fetchParts: async function* ({ batchIds }, context) {
        const { org } = peerOf(context);
        requireCount(batchIds.length);
        // An organisation mostly stays what it was; the ledger decides.
        const [likely, other] = servers.has(org) ? ([0, 1] as const) : ([1, 0] as const);
        const lost: Buffer[] = [];
        const give = async (party: 0 | 1) => {
          const answer = await d.ledger.give(batchIds, party, org);
          if ("mask" in answer) return answer;
          lost.push(...answer.lost);
          return undefined;
        };
        const given = (await give(likely)) ?? (await give(other));
        if (!given) {
          // An expired or voided batch is refused as well, but nobody tried to use it twice.
          const used = await d.ledger.usedBefore(batchIds, org, lost);
          addTo("parley.ledger.refusals", { where: "dealer" }, used);
          addTo("parley.dealer.batches", { outcome: "refused" }, batchIds.length);
          const note = refusals.note(org);
          if (note)
            await d.audit.append({
              action: "part.refused",
              actor: org,
              subject: batchIds[0].toString("hex").slice(0, 32),
              details: note,
              organisations: [org],
            });
          throw notGiven();
        }
        const party = given.mask.org1 === org ? 1 : 0;
        if (party === 0) servers.add(org);
        else servers.delete(org);
        yield* dealParts(d, given, party, context.signal);
      },
    },
    {
      all: { roles: ["worker"] },
      except: { createEnrolmentToken: inviters, openMask: accessPoint, endMask: accessPoint },
    },
  );
}
