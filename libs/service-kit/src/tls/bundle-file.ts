import { readBundle } from "./files.js";
import { followFiles } from "./follow-files.js";

type Bundle = readonly Buffer[];

/** The authorities of a PEM file, read again when it changes. */
export interface BundleFile {
  readonly current: Bundle;
  close(): void;
}

const isSame = (a: Bundle, b: Bundle) => a.length === b.length && a.every((der, i) => der.equals(b[i]));

/** @param onChange called with the new authorities; a file that cannot be read leaves the old ones. @throws Error where it cannot be read at first */
export function followBundle(
  file: string,
  onChange: (bundle: Bundle) => void = () => {},
  everyMs?: number,
): BundleFile {
  let current: Bundle = readBundle(file);
  const take = (next: Bundle) => {
    current = next;
    onChange(next);
  };
  const close = followFiles<Bundle>(() => readBundle(file), isSame, current, take, everyMs);
  return {
    get current() {
      return current;
    },
    close,
  };
}
