import { createOneTimeToken, isName } from "@parley/agreement";
import { correctionBytes, deriveBatch, expandMask, type BatchKeys } from "@parley/correlation";
import { Code, ParleyError, dealer } from "@parley/proto";
import { implement, type AuditLog, type Binding, type CallContext, type Peer } from "@parley/service-kit";
import { randomBytes } from "node:crypto";
import type { Dealings } from "../domain/dealings.js";
import { periodName, type PeriodKeys } from "../domain/keys.js";
import type { MaskOpening } from "../domain/open-mask.js";
import { RefusalNotes } from "../domain/refusal-notes.js";
import type { Sealing } from "../domain/sealing.js";
import type { GivenPart, Ledger } from "../store/ledger.js";
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
  readonly authorityDer: Buffer;
  readonly enrolAddress: () => string;
}

const DAY = 86_400;
const MAX_TOKEN_SECONDS = 30 * DAY;
/** A batch that was not fetched by then is dead. Prepared sessions live 12 minutes at most; what was fetched stays good. */
const BATCH_LIFE_MS = 15 * 60_000;
/** Unspent batches of a mask, as a multiple of the prepared sessions that its agreement allows. */
const UNSPENT_PER_PREPARED = 16;
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

const notGiven = () =>
  new ParleyError(
    Code.FAILED_PRECONDITION,
    "PART_REFUSED",
    "the part is not given: the batch is unknown, expired or voided, for another organisation, or its part was given before",
    "Take a new batch. A part is never given twice.",
  );

/** A stream that stops early must not look complete. */
const cutShort = () =>
  new ParleyError(
    Code.UNAVAILABLE,
    "STREAM_CUT_SHORT",
    "the dealer ended the stream before its last byte",
    "What was not received is lost; take a new batch or mask.",
  );

export function dealerBinding(d: DealerDependencies): Binding {
  const operator = { roles: ["operator"], org: d.domain };
  const accessPoint = { roles: ["access-point"] };
  const refusals = new RefusalNotes();
  return implement<dealer.DealerServiceServer>(
    dealer.DealerServiceService,
    {
      createEnrolmentToken: async ({ organisationId, validSeconds }) => {
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
          actor: `${d.domain}/operator`,
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
      createBatch: async ({ maskId, records }, context) => {
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
        const id = randomBytes(16);
        const expires = new Date(Date.now() + BATCH_LIFE_MS);
        const periodId = await d.periods.currentId();
        const stored = await d.ledger.create(
          { id, maskId, periodId, records, org0: mask.org0, org1: mask.org1, expires },
          mask.agreementDigest,
          UNSPENT_PER_PREPARED * mask.maxPrepared,
        );
        if (!stored)
          throw new ParleyError(
            Code.RESOURCE_EXHAUSTED,
            "TOO_MANY_BATCHES",
            "too many batches of this agreement are waiting to be used",
            "Use them, or wait until they expire.",
          );
        return { batchId: id, expires };
      },
      fetchPart: async function* ({ batchId }, context) {
        const { org } = peerOf(context);
        const given = (await d.ledger.give(batchId, 1, org)) ?? (await d.ledger.give(batchId, 0, org));
        if (!given) {
          const note = refusals.note(org);
          if (note)
            await d.audit.append({
              action: "part.refused",
              actor: org,
              subject: batchId.toString("hex").slice(0, 32),
              details: note,
              organisations: [org],
            });
          throw notGiven();
        }
        const party = given.batch.org1 === org ? 1 : 0;
        yield* dealPart(d, given, party, context.signal);
      },
    },
    {
      all: { roles: ["worker"] },
      except: { createEnrolmentToken: operator, openMask: accessPoint, endMask: accessPoint },
    },
  );
}

/** The bytes of a part. The ledger has committed that it is given. */
async function* dealPart(
  d: DealerDependencies,
  { batch, mask, period }: GivenPart,
  party: 0 | 1,
  signal: AbortSignal,
): AsyncGenerator<dealer.FetchPartResponse> {
  if (!period.sealed) throw notGiven();
  const periodKey = d.sealing.open(period.sealed, periodName(period.id));
  const { planDigest, key0: org0, key1: org1 } = mask;
  const keys = deriveBatch(periodKey, {
    maskId: mask.id,
    planDigest,
    batchId: batch.id,
    records: batch.records,
    org0,
    org1,
  });
  periodKey.fill(0);
  const { dealing, done } = d.dealings.use(mask);
  try {
    const key = Buffer.from(party === 0 ? keys.key0 : keys.key1);
    const total = party === 0 ? 0 : correctionBytes(dealing.plan, batch.records);
    yield {
      key,
      fingerprint: Buffer.from(keys.fingerprint),
      records: batch.records,
      maskId: mask.id,
      correctionBytes: BigInt(total),
      chunk: EMPTY,
    };
    if (party === 0) return;
    for await (const chunk of dealing.corrections(keys, batch.records)) {
      if (signal.aborted) throw cutShort();
      yield {
        key: EMPTY,
        fingerprint: EMPTY,
        records: 0,
        maskId: EMPTY,
        correctionBytes: 0n,
        chunk: Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length),
      };
      await new Promise((resolve) => setImmediate(resolve)); // other calls get their turn between pieces
    }
  } finally {
    done();
    erase(keys);
  }
}

const erase = (keys: BatchKeys) => [keys.key0, keys.key1, keys.dealerKey].forEach((key) => key.fill(0));
