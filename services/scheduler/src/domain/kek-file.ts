import type { Logger } from "@parley/service-kit";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const KEY_BYTES = 32;

/** Reads the 32-byte key-encryption key; in development it is made where it is missing. @throws Error */
export function readKek(file: string, production: boolean, logger: Logger): Buffer {
  if (!existsSync(file)) {
    if (production)
      throw new Error(
        "PARLEY_TICKET_KEK_FILE does not exist; production makes no keys at start: mount a file of 32 random bytes",
      );
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, randomBytes(KEY_BYTES), { mode: 0o600, flag: "wx" });
    logger.warn("made a key-encryption key at start, for development only");
  }
  const kek = readFileSync(file);
  if (kek.length !== KEY_BYTES) throw new Error(`the key-encryption key has ${kek.length} bytes, not ${KEY_BYTES}`);
  return kek;
}
