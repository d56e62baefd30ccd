import { z } from "zod";
import { canonicalBytes, readCanonical } from "./canonical.js";
import { AgreementError } from "./error.js";
import { isId } from "./id.js";
import { claimedSigner, requireSignature, signPayload } from "./signature.js";
import type { Signer } from "./signing-key.js";

const id = (prefix: "agr" | "job" | "att") => z.string().refine((text) => isId(prefix, text));
const at = z.iso.datetime({ precision: 3 });

/** What an organisation may state about itself or its agreements, by kind. */
const schemas = {
  /** The model owner's account of one run: whether its records were revealed. */
  "run-report": z.strictObject({
    agreement: id("agr"),
    job: id("job"),
    attempt: id("att"),
    run: z.int().min(0),
    records: z.int().positive(),
    revealed: z.boolean(),
    at,
  }),
  revocation: z.strictObject({ agreement: id("agr"), action: z.literal("revoke"), reason: z.string().max(1000), at }),
  /** A new authority of the organisation that signs, base64 DER. */
  "new-authority": z.strictObject({ authority: z.base64().min(4), at }),
} as const;

export type StatementType = keyof typeof schemas;
export type Statement<T extends StatementType> = z.infer<(typeof schemas)[T]>;

const typeName = (type: StatementType) => `parley.${type}.v1`;

/** Signs a statement: compact JWS over RFC 8785 bytes. @throws AgreementError STATEMENT_INVALID, KEY_INVALID */
export function signStatement<T extends StatementType>(type: T, body: Statement<T>, signer: Signer): string {
  const payload = canonicalBytes(readBody(type, body)).toString("base64url");
  const signature = signPayload(payload, typeName(type), signer);
  return `${signature.protected}.${payload}.${signature.signature}`;
}

/** The organisation that a statement claims to be of; find its key by it, then {@link verifyStatement}. @throws AgreementError STATEMENT_INVALID */
export const claimedStatementSigner = (type: StatementType, jws: string): string =>
  claimedSigner(parts(jws).signature, typeName(type), "STATEMENT_INVALID");

/**
 * Verifies a statement of that kind under a raw Ed25519 key.
 * @throws AgreementError STATEMENT_INVALID, SIGNATURE_INVALID, PAYLOAD_NOT_CANONICAL
 */
export function verifyStatement<T extends StatementType>(
  type: T,
  jws: string,
  publicKey: Uint8Array,
): { org: string; body: Statement<T> } {
  const { payload, signature } = parts(jws);
  const org = claimedSigner(signature, typeName(type), "STATEMENT_INVALID");
  requireSignature(org, publicKey, payload, signature);
  return { org, body: readBody(type, readCanonical(payload, `the ${type} of ${org}`, "STATEMENT_INVALID").value) };
}

function parts(jws: string) {
  const [header, payload, signature, ...rest] = jws.split(".");
  if (signature === undefined || rest.length > 0 || jws.length > 64 * 1024)
    throw new AgreementError("STATEMENT_INVALID", "this is not a statement: a compact JWS of three parts");
  return { payload, signature: { protected: header, signature } };
}

function readBody<T extends StatementType>(type: T, body: unknown): Statement<T> {
  const read = schemas[type].safeParse(body);
  if (read.success) return read.data as Statement<T>;
  const [issue] = read.error.issues;
  throw new AgreementError("STATEMENT_INVALID", `the ${type} is not valid: ${issue.path.join(".")}: ${issue.message}`);
}
