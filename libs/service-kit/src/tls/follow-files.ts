/**
 * How often files are looked at, milliseconds. They are read, not watched: a mounted Secret changes by another target of a
 * link, which events miss; and what changes before a watch has its first look at a file is missed by `watchFile`.
 */
const LOOK_MS = 10_000;

/**
 * Reads again and again, and tells when what was read is another.
 * @param read what is held in files; where it throws, they are half-written, and the next look finds the rest
 * @param before what was read first
 * @returns how to end it
 */
export function followFiles<T>(
  read: () => T,
  isSame: (a: T, b: T) => boolean,
  before: T,
  onChange: (next: T) => void,
  everyMs = LOOK_MS,
): () => void {
  let current = before;
  const look = () => {
    let next: T;
    try {
      next = read();
    } catch {
      return;
    }
    if (isSame(next, current)) return;
    current = next;
    onChange(next);
  };
  const timer = setInterval(look, everyMs).unref();
  return () => clearInterval(timer);
}
