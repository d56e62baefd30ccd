import { z } from "zod";
import { canonicalBytes, decodeBase64url, readCanonical } from "./canonical.js";
import { AgreementError, type AgreementReason } from "./error.js";
import { isName } from "./name.js";
import { signBytes, verifyBytes, type Signer } from "./signing-key.js";

/** One signature of a JWS (RFC 7515): the protected header and the signature, both base64url. */
export interface Signature {
  readonly protected: string;
  readonly signature: string;
}

/** The whole header; another member, algorithm or type is refused. `typ` keeps signatures of one purpose from serving another. */
const headerSchema = z.strictObject({ alg: z.literal("EdDSA"), kid: z.string().refine(isName), typ: z.string() });

/** Signs an encoded payload as `signer.org` for the purpose that `typ` names. */
export function signPayload(payload: string, typ: string, signer: Signer): Signature {
  const header = canonicalBytes({ alg: "EdDSA", kid: signer.org, typ }).toString("base64url");
  const signature = signBytes(signer.privateKey, signingInput(header, payload));
  return { protected: header, signature: Buffer.from(signature).toString("base64url") };
}

/** The organisation that a signature claims to be of. @throws AgreementError `reason` */
export function claimedSigner({ protected: encoded }: Signature, typ: string, reason: AgreementReason): string {
  const { value } = readCanonical(encoded, "the header of a signature", reason);
  const header = headerSchema.safeParse(value);
  if (!header.success || header.data.typ !== typ)
    throw new AgreementError(
      reason,
      `the header of a signature is not {"alg":"EdDSA","kid":ORGANISATION,"typ":"${typ}"}`,
    );
  return header.data.kid;
}

/** @throws AgreementError SIGNATURE_INVALID */
export function requireSignature(org: string, publicKey: Uint8Array, payload: string, signature: Signature): void {
  const bytes = decodeBase64url(signature.signature, `the signature of ${org}`, "SIGNATURE_INVALID");
  if (!verifyBytes(publicKey, signingInput(signature.protected, payload), bytes))
    throw new AgreementError(
      "SIGNATURE_INVALID",
      `the signature of ${org} does not fit the signed text`,
      `It was changed after it was signed, or signed with another key than the one known of ${org}.`,
    );
}

const signingInput = (header: string, payload: string) => Buffer.from(`${header}.${payload}`, "ascii");
