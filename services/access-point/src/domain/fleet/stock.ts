import type { fleet } from "@parley/proto";
import type { HeldAgreement } from "../../store/agreements.js";
import type { Vault } from "../../store/vault.js";
import type { Fleet } from "./fleet.js";

/** Sizes that stay prepared after a first demand; larger ones hold much memory and are prepared when needed. */
const WARM_RECORDS = 16;
/** How long a demand counts. */
const WARM_MS = 10 * 60_000;
const SQUEEZE_MS = 2_000;

/** Which prepared sessions the data owner's workers keep: one of size 1 under every agreement, and what was lately asked for. */
export class Stock {
  /** Last demand, by agreement and size. */
  private readonly demand = new Map<string, Map<number, number>>();
  /** Agreements of which nothing is kept for a moment, and until when. */
  private readonly squeezed = new Map<string, number>();
  private last = "";

  constructor(
    private readonly vault: Vault,
    private readonly fleet: Fleet,
  ) {}

  /** A run of this size was ordered. */
  noteDemand(agreement: string, records: number) {
    const sizes = this.demand.get(agreement) ?? new Map<number, number>();
    this.demand.set(agreement, sizes.set(records, performance.now()));
  }

  /** Runs find no place beside the sessions that are kept: they are given up until the runs have passed. */
  squeeze(agreement: string) {
    this.squeezed.set(agreement, performance.now() + SQUEEZE_MS);
    this.push();
    setTimeout(() => this.push(), SQUEEZE_MS + 1).unref();
  }

  /** Sizes to keep of an agreement, and how many sessions of each; one place is left free for a size that is not kept. */
  wanted(agreement: HeldAgreement, now = performance.now()): Map<number, number> {
    if (now < (this.squeezed.get(agreement.digest) ?? 0)) return new Map();
    const places = Math.max(1, agreement.maxPrepared - 1);
    const seen = this.demand.get(agreement.digest) ?? new Map<number, number>();
    const warm = [...seen]
      .filter(([records, at]) => records <= WARM_RECORDS && now - at < WARM_MS)
      .map(([records]) => records);
    const sizes = [...new Set([...warm, 1])].sort((a, b) => a - b).slice(0, places);
    const wanted = new Map(sizes.map((records) => [records, 1]));
    // Single records come one after the other: what is left of the places is theirs, once they are in demand.
    if (warm.includes(1)) wanted.set(1, 1 + places - sizes.length);
    return wanted;
  }

  /** Spreads the sessions over the workers and tells each its part. `all`: also where nothing changed. */
  push(all = false) {
    const workers = this.fleet.workers.filter((worker) => !worker.draining);
    if (workers.length === 0) return;
    const targets = new Map(workers.map((worker) => [worker, [] as fleet.StockEntry[]]));
    let next = 0;
    for (const agreement of this.vault.agreements.current()) {
      if (agreement.party !== 1) continue;
      const counts = new Map<string, fleet.StockEntry>();
      for (const [records, sessions] of this.wanted(agreement))
        for (let i = 0; i < sessions; i++) {
          const at = next++ % workers.length;
          const entry = counts.get(`${at}/${records}`);
          if (entry) entry.sessions++;
          else {
            const made = { agreementDigest: Buffer.from(agreement.digest, "hex"), records, sessions: 1 };
            counts.set(`${at}/${records}`, made);
            targets.get(workers[at])!.push(made);
          }
        }
    }
    const text = JSON.stringify([...targets].map(([worker, entries]) => [worker.name, entries]));
    if (!all && text === this.last) return;
    this.last = text;
    for (const [worker, entries] of targets) worker.send({ $case: "target", value: { entries } });
  }
}
