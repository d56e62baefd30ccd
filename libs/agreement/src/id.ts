import { randomBytes } from "node:crypto";

/** What ids name: jobs, agreements, models and attempts. */
export type IdPrefix = "job" | "agr" | "mdl" | "att";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_BYTES = 6;
const RANDOM_BYTES = 10;

/** A new id: prefix, "_" and 26 characters of Crockford base32 over 48 bits of milliseconds and 80 random bits. Ids sort by time. */
export function newId(prefix: IdPrefix, now = Date.now()): string {
  const bytes = Buffer.alloc(TIME_BYTES + RANDOM_BYTES);
  bytes.writeUIntBE(now, 0, TIME_BYTES);
  randomBytes(RANDOM_BYTES).copy(bytes, TIME_BYTES);
  return `${prefix}_${encodeBase32(bytes)}`;
}

/** True where `text` is an id with that prefix, as {@link newId} makes them. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return (
    text.length === prefix.length + 27 &&
    text.startsWith(`${prefix}_`) &&
    /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text.slice(-26))
  );
}

/** 16 bytes as 26 characters, the most significant first; the first character holds 3 bits. */
function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let held = 0;
  let bits = 2;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(held >>> bits) & 31];
      held &= (1 << bits) - 1;
    }
  }
  return text;
}
