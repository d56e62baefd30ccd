import { Code, ParleyError } from "@parley/proto";

/** Waits at most so long; then `giveUp` is called and the failure says that the other side was silent. */
export async function within<T>(work: Promise<T>, ms: number, giveUp: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      giveUp();
      reject(
        new ParleyError(
          Code.DEADLINE_EXCEEDED,
          "PEER_SILENT",
          `the other side was silent for ${ms / 1000} s`,
          "Retried with a new batch.",
        ),
      );
    }, ms);
  });
  work.catch(() => {}); // where it loses the race, its failure is of no interest
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
