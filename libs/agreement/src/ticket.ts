import { createPublicKey, verify, type KeyObject } from "node:crypto";
import type { JWK } from "jose";
import { z } from "zod";
import { decodeBase64url } from "./canonical.js";
import { AgreementError } from "./error.js";
import { isId } from "./id.js";
import { isName } from "./name.js";
import { readPrivateKey, signBytes, type PrivateKey } from "./signing-key.js";

/** A ticket must begin within this many seconds. */
export const TICKET_SECONDS = 300;
const ISSUER = "router/scheduler";
const TYPE = "parley-ticket+jwt";
const SKEW_SECONDS = 30;

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const org = z.string().refine(isName);

const claimsSchema = z
  .strictObject({
    iss: z.literal(ISSUER),
    /** Model owner and data owner. */
    aud: z.tuple([org, org]),
    /** The attempt. */
    jti: z.string().refine((text) => isId("att", text)),
    job: z.string().refine((text) => isId("job", text)),
    /** Agreement digest, hex. */
    agreement: digest,
    planDigest: digest,
    org0: org,
    org1: org,
    operation: z.literal("predict"),
    /** Record count of each run, in order. */
    runs: z.array(z.int().positive()).min(1).max(100_000),
    iat: z.int(),
    exp: z.int(),
    cnf: z.record(z.string(), z.string()).optional(),
  })
  .refine((c) => c.aud[0] === c.org0 && c.aud[1] === c.org1 && c.org0 !== c.org1, { path: ["aud"] })
  .refine((c) => c.exp > c.iat && c.exp - c.iat <= TICKET_SECONDS, { path: ["exp"] });

/** What a ticket says: the permission for one attempt, within what the agreement permits. */
export type TicketClaims = z.infer<typeof claimsSchema>;

/** A key that signs tickets; `kid` names it in the key set. */
export interface TicketKey {
  readonly kid: string;
  readonly privateKey: PrivateKey;
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Signs a ticket, a compact JWS (RFC 7515). @throws AgreementError ATTEMPT_TICKET_INVALID where it would last more than {@link TICKET_SECONDS} */
export function signTicket(claims: TicketClaims, key: TicketKey): string {
  const input = `${encode({ alg: "EdDSA", typ: TYPE, kid: key.kid })}.${encode(readClaims(claims))}`;
  return `${input}.${Buffer.from(signBytes(key.privateKey, Buffer.from(input))).toString("base64url")}`;
}

/** The public key set for {@link verifyTicket}, as JSON text. */
export function ticketKeySet(keys: readonly TicketKey[]): string {
  const entries = keys.map(({ kid, privateKey }): JWK => {
    const { kty, crv, x } = createPublicKey(readPrivateKey(privateKey)).export({ format: "jwk" });
    return { kty, crv, x, kid, alg: "EdDSA", use: "sig" };
  });
  return JSON.stringify({ keys: entries });
}

/**
 * Verifies a ticket: EdDSA only, a key of the set, issued by the scheduler for `audience` among others, not expired, at most
 * five minutes long. It narrows what an agreement permits; the caller still compares it with the agreement.
 * @throws AgreementError ATTEMPT_TICKET_INVALID
 */
export function verifyTicket(jwt: string, jwks: string, options: { audience: string; now?: Date }): TicketClaims {
  const [header, payload, signature, ...rest] = jwt.split(".");
  if (signature === undefined || rest.length > 0) throw refusal("it is not a compact JWS");
  const read = headerSchema.safeParse(readJson(header));
  if (!read.success) throw refusal(`its header is not {"alg":"EdDSA","kid":KEY,"typ":"${TYPE}"}`);
  const key = keysOf(jwks).get(read.data.kid);
  if (!key) throw refusal("its key is not one of the scheduler's");
  const bytes = decodeBase64url(signature, "the signature of the ticket", "ATTEMPT_TICKET_INVALID");
  if (!verify(null, Buffer.from(`${header}.${payload}`), key, bytes)) throw refusal("its signature does not fit");
  const claims = readClaims(readJson(payload));
  const now = (options.now ?? new Date()).getTime() / 1000;
  if (!claims.aud.includes(options.audience)) throw refusal("it is for other organisations");
  if (claims.exp <= now - SKEW_SECONDS) throw refusal("it has expired");
  if (claims.iat > now + SKEW_SECONDS) throw refusal("it was issued in the future");
  return claims;
}

/** The whole header; another member, "crit" above all, is refused. */
const headerSchema = z.strictObject({ alg: z.literal("EdDSA"), typ: z.literal(TYPE), kid: z.string() });

function readJson(encoded: string): unknown {
  try {
    return JSON.parse(decodeBase64url(encoded, "a part of the ticket", "ATTEMPT_TICKET_INVALID").toString("utf8"));
  } catch {
    return undefined; // refused by whoever expects something
  }
}

const keySetSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().optional() })) });
let last: { readonly text: string; readonly keys: ReadonlyMap<string, KeyObject> } | undefined;

/** The Ed25519 keys of a set, by name. A verifier holds one set for long: the last is kept as it was read. */
function keysOf(jwks: string): ReadonlyMap<string, KeyObject> {
  if (last?.text === jwks) return last.keys;
  const keys = new Map<string, KeyObject>();
  try {
    for (const { kid, kty, crv, x } of keySetSchema.parse(JSON.parse(jwks)).keys)
      if (kid !== undefined && kty === "OKP" && crv === "Ed25519" && typeof x === "string")
        keys.set(kid, createPublicKey({ key: { kty, crv, x }, format: "jwk" }));
  } catch (error) {
    throw refusal("the scheduler's keys cannot be read", error);
  }
  last = { text: jwks, keys };
  return keys;
}

function readClaims(claims: unknown): TicketClaims {
  const read = claimsSchema.safeParse(claims);
  if (read.success) return read.data;
  throw refusal(`its claim ${read.error.issues[0].path.join(".") || "set"} is not allowed`);
}

const refusal = (why: string, cause?: unknown) =>
  new AgreementError(
    "ATTEMPT_TICKET_INVALID",
    `the ticket is refused: ${why}`,
    "The attempt is retried with a new ticket.",
    { cause },
  );
