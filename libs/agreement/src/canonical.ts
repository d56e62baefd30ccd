import canonicalize from "canonicalize";
import { AgreementError, type AgreementReason } from "./error.js";

/** RFC 8785 bytes of a JSON value. */
export function canonicalBytes(value: unknown): Buffer {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("this value is not JSON");
  return Buffer.from(text);
}

/**
 * Reads base64url JSON strictly: one way only to write the bytes, one way only to write the JSON. So nobody ever has to
 * re-encode what was signed, and two readers cannot see two things in it.
 * @throws AgreementError PAYLOAD_NOT_CANONICAL; `reason` where it is not base64url JSON at all
 */
export function readCanonical(
  encoded: string,
  what: string,
  reason: AgreementReason,
): { value: unknown; bytes: Buffer } {
  const bytes = decodeBase64url(encoded, what, reason);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new AgreementError(reason, `${what} is not JSON`);
  }
  if (!canonicalBytes(value).equals(bytes))
    throw new AgreementError(
      "PAYLOAD_NOT_CANONICAL",
      `${what} is not written as RFC 8785 says`,
      "Sign the canonical bytes.",
    );
  return { value, bytes };
}

/** @throws AgreementError `reason` for anything but unpadded base64url with zero spare bits */
export function decodeBase64url(encoded: string, what: string, reason: AgreementReason): Buffer {
  const bytes = Buffer.from(encoded, "base64url");
  if (bytes.toString("base64url") !== encoded) throw new AgreementError(reason, `${what} is not base64url`);
  return bytes;
}
