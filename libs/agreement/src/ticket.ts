import { createPublicKey } from "node:crypto";
import { createLocalJWKSet, errors, jwtVerify, SignJWT, type JSONWebKeySet, type JWK } from "jose";
import { z } from "zod";
import { AgreementError } from "./error.js";
import { isId } from "./id.js";
import { isName } from "./name.js";
import { readPrivateKey, type PrivateKey } from "./signing-key.js";

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

/** Signs a ticket. @throws AgreementError ATTEMPT_TICKET_INVALID where it would last more than {@link TICKET_SECONDS} */
export async function signTicket(claims: TicketClaims, key: TicketKey): Promise<string> {
  return new SignJWT(readClaims(claims))
    .setProtectedHeader({ alg: "EdDSA", typ: TYPE, kid: key.kid })
    .sign(readPrivateKey(key.privateKey));
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
export async function verifyTicket(
  jwt: string,
  jwks: JSONWebKeySet | string,
  options: { audience: string; now?: Date },
): Promise<TicketClaims> {
  try {
    const keys = keySetOf(jwks);
    const now = options.now ?? new Date();
    const { payload } = await jwtVerify(jwt, keys, {
      algorithms: ["EdDSA"],
      typ: TYPE,
      issuer: ISSUER,
      audience: options.audience,
      currentDate: now,
      clockTolerance: SKEW_SECONDS,
      requiredClaims: ["exp", "iat", "jti"],
    });
    const claims = readClaims(payload);
    if (claims.iat > now.getTime() / 1000 + SKEW_SECONDS) throw refusal("it was issued in the future");
    return claims;
  } catch (error) {
    if (error instanceof AgreementError) throw error;
    throw refusal(error instanceof errors.JOSEError ? error.message : "it cannot be read", error);
  }
}

let lastKeys: { readonly text: string; readonly keys: ReturnType<typeof createLocalJWKSet> } | undefined;

/** Keys of a text are read once: a verifier holds one text for long. */
function keySetOf(jwks: JSONWebKeySet | string) {
  if (typeof jwks !== "string") return createLocalJWKSet(jwks);
  if (lastKeys?.text !== jwks) lastKeys = { text: jwks, keys: createLocalJWKSet(JSON.parse(jwks) as JSONWebKeySet) };
  return lastKeys.keys;
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
