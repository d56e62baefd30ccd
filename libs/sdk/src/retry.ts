import { Code, fromServiceError } from "@parley/proto";
import { setTimeout } from "node:timers/promises";

const PAUSE_MS = 500;

/** True where nothing answered; false where a service answered that something behind it is away. */
export function isAway(error: unknown): boolean {
  const { code, reason } = fromServiceError(error);
  return code === Code.UNAVAILABLE && reason === "UNAVAILABLE";
}

/** Repeats a call that is safe to repeat while the access point is away, for at most `patience` milliseconds. */
export async function retrying<T>(call: () => Promise<T>, patience: number): Promise<T> {
  for (const until = Date.now() + patience; ;) {
    try {
      return await call();
    } catch (error) {
      if (!isAway(error) || Date.now() > until) throw error;
      await setTimeout(PAUSE_MS);
    }
  }
}
