import { observe } from "@parley/service-kit";
import type { AgreementStore } from "../store/agreement-store.js";

/** The router's count of quota, of agreements in force: what is reserved counts as used. Returns how to end it. */
export function observeQuota(store: Pick<AgreementStore, "quotas">): () => void {
  let asked: ReturnType<AgreementStore["quotas"]> | undefined;
  /** One query for both metrics, which are read together. */
  const quotas = () => (asked ??= store.quotas().finally(() => setImmediate(() => (asked = undefined))));
  const ends = [
    observe("parley.quota.used", async (set) => {
      for (const { agreement, used } of await quotas()) set(used, { agreement });
    }),
    observe("parley.quota.limit", async (set) => {
      for (const { agreement, limit } of await quotas()) set(limit, { agreement });
    }),
  ];
  return () => ends.forEach((end) => end());
}
