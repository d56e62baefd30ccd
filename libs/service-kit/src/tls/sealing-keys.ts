import { hkdfSync } from "node:crypto";
import { existsSync } from "node:fs";
import type { Logger } from "../telemetry/logger.js";
import { readKek } from "./files.js";

/** A key-encryption key and its name, which may be stored and logged: it tells keys apart and nothing about them. */
export interface SealingKey {
  readonly id: string;
  readonly key: Buffer;
}

/** The key-encryption keys of a service. While one is replaced there are two of them. */
export interface SealingKeys {
  /** What is sealed from now on. */
  readonly current: SealingKey;
  /** Will be the current one: known already, so that this replica opens what others seal under it. */
  readonly next?: SealingKey;
  /** Was the current one: what it sealed is sealed anew under the current one. */
  readonly former?: SealingKey;
}

export interface SealingKeyFiles {
  readonly current: string;
  readonly next?: string;
  readonly former?: string;
}

const ID_BYTES = 8;

export const sealingKey = (key: Buffer): SealingKey => ({
  id: Buffer.from(hkdfSync("sha256", key, "", "parley/v1/kek-id", ID_BYTES)).toString("hex"),
  key,
});

/**
 * Reads a service's key-encryption keys. Files of `next` and `former` may be absent: as a rule there is one key.
 * @param variable the environment variable that names the current one's file, for messages
 * @throws Error for a file that holds no key, and in production where the current one is absent
 */
export function readSealingKeys(
  files: SealingKeyFiles,
  variable: string,
  production: boolean,
  logger: Logger,
): SealingKeys {
  const current = sealingKey(readKek(files.current, variable, production, logger));
  const beside = (file: string | undefined, which: string): SealingKey | undefined => {
    if (!file || !existsSync(file)) return undefined;
    const read = sealingKey(readKek(file, variable.replace(/_FILE$/, `_${which}_FILE`), true, logger));
    return read.id === current.id ? undefined : read; // left there, or put there too early
  };
  const keys = { current, next: beside(files.next, "NEXT"), former: beside(files.former, "FORMER") };
  logger.info({ current: current.id, next: keys.next?.id, former: keys.former?.id }, "key-encryption keys");
  return keys;
}
