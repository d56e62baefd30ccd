import { unwatchFile, watchFile } from "node:fs";
import { readBundle } from "./files.js";

/** Mounted Secrets are replaced by another target of a link, which changes what `stat` says; events would be missed. */
const LOOK_MS = 10_000;

/** The authorities of a PEM file, read again when it changes. */
export interface BundleFile {
  readonly current: readonly Buffer[];
  close(): void;
}

/** @param onChange called with the new authorities; a file that cannot be read leaves the old ones. @throws Error where it cannot be read at first */
export function followBundle(
  file: string,
  onChange: (bundle: readonly Buffer[]) => void = () => {},
  everyMs = LOOK_MS,
): BundleFile {
  let current = readBundle(file);
  const look = () => {
    try {
      const next = readBundle(file);
      if (next.length === current.length && next.every((der, i) => der.equals(current[i]))) return;
      current = next;
      onChange(next);
    } catch {
      // Half-written: the next look finds the rest.
    }
  };
  watchFile(file, { interval: everyMs, persistent: false }, look);
  return {
    get current() {
      return current;
    },
    close: () => unwatchFile(file, look),
  };
}
