import { cost } from "@parley/plan";
import { fleet } from "@parley/proto";
import { newTrace, traceparentOf, withSpan, type TraceContext } from "@parley/service-kit";
import type { DealerLink, FetchedPart } from "../dealing/dealer-link.js";
import type { FleetLink } from "../fleet/fleet-link.js";
import type { WorkingAgreement } from "../models/agreement.js";
import { partyOf, peerOf } from "../telemetry/run-telemetry.js";
import { recordBatches } from "./record-batches.js";

/** Parts that a stream holds ahead of their use have at most so many bytes. */
const LOT_BYTES = 8 << 20;

/** A batch's part at P1, and the span of its drawing. */
export interface DrawnPart {
  readonly batchId: Buffer;
  readonly part: FetchedPart;
  readonly trace: TraceContext;
}

/** What the lots of a stream need of it. */
interface Stream {
  readonly agreement: WorkingAgreement;
  /** Of a run. */
  readonly records: number;
  /** Known after the Hello. */
  readonly maskId: Buffer;
  /** Names the batches to P0. */
  readonly announce: (batchIds: readonly Buffer[], traceparent: string) => void;
  /** @throws where the stream has ended */
  readonly requireOpen: () => void;
}

interface Dependencies {
  readonly dealers: DealerLink;
  readonly fleet: FleetLink;
  /** Batches that are drawn together, at most. */
  readonly lot: number;
}

/** P1: draws the batches of a stream from the dealer, several together, each lot before the last is used up. */
export class ClientLots {
  readonly #parts: DrawnPart[] = [];
  #most = 1;
  /** Batches of the last lot. */
  #drawn = 0;
  #drawing: Promise<void> | undefined;
  #closed = false;

  constructor(
    private readonly d: Dependencies,
    private readonly stream: Stream,
  ) {}

  /** Batches that wait for a preparation. */
  get waiting(): number {
    return this.#parts.length;
  }

  /** The next batch. @throws ParleyError where none can be drawn, or the stream has ended */
  async next(): Promise<DrawnPart> {
    let next = this.#parts.shift();
    for (; !next; next = this.#parts.shift()) await (this.#drawing ?? this.draw());
    // The next lot is under way before this one is used up; a failure shows when it is needed.
    if (this.#drawn > 1 && this.#parts.length <= this.#drawn / 2) this.draw().catch(() => {});
    return next;
  }

  /** Resolves when no batches are on their way from the dealer. */
  async settled(): Promise<void> {
    await this.#drawing?.catch(() => {});
  }

  /** Erases what waits; what is on its way is erased when it comes. */
  close(): void {
    this.#closed = true;
    for (const { part } of this.#parts.splice(0)) part.correlations.close();
  }

  private draw(): Promise<void> {
    this.#drawing ??= this.drawLot().finally(() => (this.#drawing = undefined));
    return this.#drawing;
  }

  /** More each time, because a stream that is used will be used again. */
  private async drawLot() {
    const { agreement, records } = this.stream;
    const bytes = cost(agreement.plan, records).offline.dealerToP1;
    const count = Math.max(1, Math.min(this.#most, this.d.lot, Math.floor(LOT_BYTES / bytes)));
    this.#most = 2 * count;
    this.#drawn = count;
    const about = {
      ...partyOf(this.stream),
      "parley.batches": count,
      "parley.records": records,
      peer: peerOf(agreement),
    };
    const parent = newTrace();
    await withSpan("parley.offline.draw", about, ({ context }) => this.drawInTrace(count, context), { parent });
  }

  private async drawInTrace(count: number, trace: TraceContext) {
    const { d } = this;
    const { agreement, records, maskId, announce, requireOpen } = this.stream;
    const traceparent = traceparentOf(trace);
    d.fleet.requireThere(); // without it no batch can be recorded, and those that were made would be lost
    const ids = await d.dealers.createBatches(agreement, maskId, records, count);
    await recordBatches(d.fleet, agreement, records, ids, fleet.Party.PARTY_CLIENT, traceparent);
    requireOpen();
    announce(ids, traceparent);
    const parts = await d.dealers.fetchParts(agreement, maskId, ids, records);
    parts.forEach((part, i) => this.#parts.push({ batchId: ids[i], part, trace }));
    if (this.#closed) this.close();
    requireOpen();
  }
}
