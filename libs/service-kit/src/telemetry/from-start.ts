import { count } from "./metrics.js";

const EVERYWHERE = ["succeeded", "failed"] as const;

/** What a service may count one day. */
const SERIES: Readonly<Record<string, () => void>> = {
  scheduler() {
    for (const outcome of [...EVERYWHERE, "cancelled"]) count("parley.job.ended", { outcome }, 0);
    for (const outcome of [...EVERYWHERE, "lost"]) count("parley.attempt.ended", { outcome, reason: "" }, 0);
  },
  "access-point"() {
    for (const outcome of [...EVERYWHERE, "cancelled", "refused"]) count("parley.job.ended", { outcome }, 0);
    for (const outcome of EVERYWHERE) count("parley.attempt.ended", { outcome, reason: "" }, 0);
    for (const organisation of ["router", "dealer"]) count("parley.peer.unreachable", { organisation }, 0);
    count("parley.ledger.refusals", { where: "access-point" }, 0);
  },
  worker() {
    for (const party of ["p0", "p1"] as const) {
      for (const outcome of EVERYWHERE) count("parley.session.ended", { party, outcome, reason: "" }, 0);
      for (const direction of ["sent", "received"] as const) count("parley.online.io", { party, direction }, 0);
    }
    count("parley.peer.unreachable", { organisation: "dealer" }, 0);
    count("parley.ledger.refusals", { where: "worker" }, 0);
  },
  dealer() {
    for (const outcome of ["dealt", "refused"]) count("parley.dealer.batches", { outcome }, 0);
    count("parley.dealer.correlations", {}, 0);
    count("parley.ledger.refusals", { where: "dealer" }, 0);
  },
};

/**
 * Counters begin at 0 where their series are known: Prometheus sees an increase only of what was there before, so that the first
 * refusal of a ledger would otherwise raise no alert.
 */
export const countFromStart = (service: string): void => SERIES[service]?.();
