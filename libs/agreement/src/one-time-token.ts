import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";
import { AgreementError } from "./error.js";
import { thumbprint } from "./leaf.js";

/** What the holder of a one-time token knows. */
export interface OneTimeToken {
  /** Where to enrol, host:port. */
  readonly address: string;
  /** SHA-256 of the issuer's authority, lower-case hex; checked before the secret is sent. */
  readonly caSha256: string;
  /** 32 bytes. */
  readonly secret: Buffer;
  readonly expires: Date;
}

const tokenSchema = z.strictObject({
  v: z.literal(1),
  address: z.string().regex(/^[^\s/:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/),
  ca: z.string().regex(/^[0-9a-f]{64}$/),
  secret: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  exp: z.int().positive(),
});

/** What an issuer stores and compares instead of the secret: its SHA-256. */
export const secretHashOf = (secret: Uint8Array): Buffer => createHash("sha256").update(secret).digest();

/** A new token: base64url text that is shown once, and the hash to store. */
export function createOneTimeToken(settings: { address: string; caDer: Uint8Array; validSeconds: number }): {
  token: string;
  secretHash: Buffer;
  expires: Date;
} {
  const secret = randomBytes(32);
  const exp = Math.floor(Date.now() / 1000) + settings.validSeconds;
  const content: z.infer<typeof tokenSchema> = {
    v: 1,
    address: settings.address,
    ca: thumbprint(settings.caDer).toString("hex"),
    secret: secret.toString("base64url"),
    exp,
  };
  const token = Buffer.from(JSON.stringify(content)).toString("base64url");
  return { token, secretHash: secretHashOf(secret), expires: new Date(exp * 1000) };
}

/** @throws AgreementError ONE_TIME_TOKEN_INVALID, ONE_TIME_TOKEN_EXPIRED; neither repeats the token */
export function parseOneTimeToken(text: string, now = new Date()): OneTimeToken {
  const content = readToken(text.trim());
  const expires = new Date(content.exp * 1000);
  if (expires <= now)
    throw new AgreementError(
      "ONE_TIME_TOKEN_EXPIRED",
      `the one-time token for ${content.address} expired at ${expires.toISOString()}`,
      "Ask its issuer for a new one.",
    );
  return {
    address: content.address,
    caSha256: content.ca,
    secret: Buffer.from(content.secret, "base64url"),
    expires,
  };
}

/** The cause is dropped on purpose: a parser's message may quote the secret. */
function readToken(text: string): z.infer<typeof tokenSchema> {
  try {
    return tokenSchema.parse(JSON.parse(Buffer.from(text, "base64url").toString("utf8")));
  } catch {
    throw new AgreementError(
      "ONE_TIME_TOKEN_INVALID",
      "this is not a one-time token",
      "Copy the whole token as it was printed, one line of letters, digits, - and _.",
    );
  }
}
