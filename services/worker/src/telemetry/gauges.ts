import { count, observe, observeCertificate, shortModel } from "@parley/service-kit";
import type { AgreementSet } from "../models/agreement-set.js";

interface Parts {
  readonly leaf: () => Uint8Array;
  readonly agreements: AgreementSet;
  readonly peers: { readonly sessions: number };
  readonly connections: { readonly streams: number };
  /** Batches that wait for a run, by agreement; 0 where some are wanted and none is there. */
  readonly stock: { readonly held: ReadonlyMap<string, number> };
}

/** What can be asked of a worker at any time. Returns how to end it. */
export function observeWorker({ leaf, agreements, peers, connections, stock }: Parts): () => void {
  const ends = [
    observeCertificate("worker", leaf),
    observe("parley.session.active", (set) => {
      set(peers.sessions, { party: "p0" });
      set(connections.streams, { party: "p1" });
    }),
    observe("parley.stock.batches", (set) => {
      const models = new Map<string, number>();
      for (const [id, batches] of stock.held) {
        const agreement = agreements.get(id);
        if (!agreement) continue;
        const model = shortModel(agreement.terms.asset.id);
        models.set(model, (models.get(model) ?? 0) + batches);
      }
      for (const [model, batches] of models) set(batches, { model });
    }),
  ];
  return () => ends.forEach((end) => end());
}

/** Partners that this worker calls are counted from 0, so that the first failure is an increase. */
export function countPartners(agreements: AgreementSet): void {
  for (const id of agreements.ids) {
    const agreement = agreements.get(id);
    if (agreement?.party === 1) count("parley.peer.unreachable", { organisation: agreement.partner.org }, 0);
  }
}
