import { Code, fromServiceError } from "@parley/proto";
import type { ServiceError } from "@grpc/grpc-js";
import { setTimeout } from "node:timers/promises";

export const PAUSE_MS = 500;

/** What grpc-js says of a connection that broke, or that a server's end took with it. */
const BROKEN: readonly Code[] = [Code.UNAVAILABLE, Code.CANCELLED];

/** True where the access point itself did not answer, or answered that it is shutting down; false where it answered that something behind it is away. */
export function isAway(error: unknown): boolean {
  const { code, cause, reason } = fromServiceError(error);
  if (code === Code.UNAVAILABLE && reason === "DRAINING") return true;
  const metadata = (cause as Partial<ServiceError> | undefined)?.metadata;
  return metadata !== undefined && BROKEN.includes(code) && !metadata.get("grpc-status-details-bin").length;
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
