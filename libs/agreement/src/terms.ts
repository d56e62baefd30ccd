import { z } from "zod";
import { decodeBase64url } from "./canonical.js";
import { AgreementError } from "./error.js";
import { isId } from "./id.js";
import { isName } from "./name.js";

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const time = z.iso.datetime({ precision: 3 });

const partySchema = z.strictObject({
  /** Name of the organisation. */
  org: z.string().refine(isName),
  /** Raw Ed25519 key, base64url. */
  signingKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  /** Authorities as base64 DER, at least one. */
  bundle: z.array(z.base64().min(4)).min(1).max(16),
});

/** What two organisations sign. Unknown members are refused: nobody may rely on what the other side does not read. */
export const termsSchema = z.strictObject({
  format: z.literal("parley.agreement.v1"),
  id: z.string().refine((text) => isId("agr", text)),
  operation: z.literal("predict"),
  purpose: z.string().max(1000),
  asset: z.strictObject({
    id: z.string().refine((text) => isId("mdl", text)),
    name: z.string().min(1).max(200),
    version: z.int().positive(),
    /** HMAC of the quantised weights under a key of the model owner, hex. */
    commitment: digest,
    /** SHA-256 of the plan, hex. */
    planDigest: digest,
  }),
  modelOwner: partySchema,
  dataOwner: partySchema,
  dealer: partySchema,
  /** Records that may be revealed, in all. */
  records: z.int().positive(),
  notBefore: time,
  expires: time,
  output: z.strictObject({ kind: z.literal("logits") }),
  /** Prepared sessions at a time. */
  maxPrepared: z.int().positive().max(1024),
  /** Whether widths may differ from layer to layer. */
  perLayerWidths: z.boolean(),
});

export type Terms = z.infer<typeof termsSchema>;
/** An organisation as the terms pin it. */
export type PartyTerms = z.infer<typeof partySchema>;
/** The same with bytes instead of text. */
export interface PinnedKeys {
  readonly org: string;
  readonly signingKey: Uint8Array;
  readonly bundle: readonly Uint8Array[];
}

/** @throws AgreementError TERMS_INVALID, naming the first member that is wrong */
export function readTerms(value: unknown): Terms {
  const read = termsSchema.safeParse(value);
  if (!read.success) {
    const [issue] = read.error.issues;
    const member = issue.path.join(".") || (issue.code === "unrecognized_keys" ? issue.keys.join(", ") : "terms");
    throw new AgreementError("TERMS_INVALID", `the terms are not valid: ${member}: ${issue.message}`);
  }
  const terms = read.data;
  const { modelOwner, dataOwner, dealer } = terms;
  if (new Set([modelOwner.org, dataOwner.org, dealer.org]).size !== 3)
    throw new AgreementError(
      "TERMS_INVALID",
      "model owner, data owner and dealer must be three different organisations",
    );
  if (new Set([modelOwner.signingKey, dataOwner.signingKey, dealer.signingKey]).size !== 3)
    throw new AgreementError(
      "TERMS_INVALID",
      "model owner, data owner and dealer must have three different signing keys",
    );
  if (Date.parse(terms.notBefore) >= Date.parse(terms.expires))
    throw new AgreementError(
      "TERMS_INVALID",
      `the agreement ends (${terms.expires}) before it begins (${terms.notBefore})`,
    );
  return terms;
}

/** An organisation's keys as they stand in terms. */
export const partyTerms = (keys: PinnedKeys): PartyTerms => ({
  org: keys.org,
  signingKey: Buffer.from(keys.signingKey).toString("base64url"),
  bundle: keys.bundle.map((der) => Buffer.from(der).toString("base64")),
});

/** The reverse of {@link partyTerms}. @throws AgreementError TERMS_INVALID */
export const pinnedKeys = (party: PartyTerms): PinnedKeys => ({
  org: party.org,
  signingKey: decodeBase64url(party.signingKey, `the signing key of ${party.org}`, "TERMS_INVALID"),
  bundle: party.bundle.map((text) => Buffer.from(text, "base64")),
});
