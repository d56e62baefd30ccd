import { fleet } from "@parley/proto";
import { foreignTrace, traceparentOf, withSpan, type Span, type TraceContext } from "@parley/service-kit";
import type { DealerLink, FetchedPart } from "../dealing/dealer-link.js";
import type { FleetLink } from "../fleet/fleet-link.js";
import type { WorkingAgreement } from "../models/agreement.js";
import type { Operands } from "../models/operands.js";
import { partyOf, peerOf } from "../telemetry/run-telemetry.js";
import { recordBatches } from "./record-batches.js";

/** Batches that are drawn and not used yet: two lots. */
const MOST_HELD = 128;

/** A part, on its way or here, and the span of its drawing. */
export interface Draw {
  readonly part: Promise<FetchedPart>;
  readonly trace: TraceContext;
}

/** What the batches of a stream have in common. */
interface Stream {
  readonly agreement: WorkingAgreement;
  readonly maskId: Buffer;
  readonly records: number;
}

interface Dependencies {
  readonly dealers: DealerLink;
  readonly fleet: FleetLink;
  readonly operands: Operands;
}

/** P0: fetches the parts of batches that P1 names, each recorded by the own access point before. */
export class ServerDraws {
  readonly #parts = new Map<string, Draw>();
  #ended: Error | undefined;

  constructor(private readonly d: Dependencies) {}

  /** Batches of runs to come, so that their parts are here when they are needed. @throws RangeError for too many */
  takeLot(stream: Stream | undefined, batchIds: readonly Buffer[], traceparent: string): void {
    if (!stream || batchIds.length < 1 || this.#parts.size + batchIds.length > MOST_HELD)
      throw new RangeError(`a lot of ${batchIds.length} batches cannot be taken now`);
    this.draw(stream, batchIds, traceparent);
  }

  /** The batch of the next run: of a lot, or by itself where there is none. @throws RangeError for one that is not of the lot; what ended the stream */
  of(stream: Stream, batchId: Buffer, traceparent: string): Draw {
    if (this.#ended) throw this.#ended; // the batch came before the end was noticed; the lot that it is of is gone
    const key = batchId.toString("hex");
    if (!this.#parts.has(key)) {
      if (this.#parts.size > 0) throw new RangeError("a batch came that is not of the lot");
      this.draw(stream, [Buffer.from(batchId)], traceparent);
    }
    const draw = this.#parts.get(key);
    if (!draw) throw new Error("a batch was drawn");
    return draw;
  }

  /** The part is its run's now. */
  taken(batchId: Buffer): void {
    this.#parts.delete(batchId.toString("hex"));
  }

  /** The stream has ended: what comes from now on is erased. */
  end(error: Error): void {
    this.#ended ??= error;
    this.close();
  }

  /** Erases what waits. */
  close(): void {
    for (const { part } of this.#parts.values()) part.then(({ correlations }) => correlations.close()).catch(() => {});
    this.#parts.clear();
  }

  /** Records batches and fetches their parts, all together. */
  private draw(stream: Stream, ids: readonly Buffer[], traceparent: string) {
    const { agreement, records } = stream;
    const about = {
      ...partyOf(stream),
      "parley.batches": ids.length,
      "parley.records": records,
      peer: peerOf(agreement),
    };
    const fetch = ({ context }: Span) => {
      const drawn = this.fetch(stream, ids, context);
      ids.forEach((id, i) => {
        const part = drawn.then((parts) => parts[i]);
        part.catch(() => {}); // whoever takes the batch is told
        this.#parts.set(id.toString("hex"), { part, trace: context });
      });
      return drawn;
    };
    withSpan("parley.offline.draw", about, fetch, foreignTrace(traceparent)).catch(() => {});
  }

  private async fetch({ agreement, maskId, records }: Stream, ids: readonly Buffer[], trace: TraceContext) {
    const { d } = this;
    await recordBatches(d.fleet, agreement, records, ids, fleet.Party.PARTY_SERVER, traceparentOf(trace));
    await d.operands.weights(agreement); // first: a part that was fetched must reach a session
    const parts = await d.dealers.fetchParts(agreement, maskId, ids, records);
    if (!this.#ended) return parts;
    parts.forEach(({ correlations }) => correlations.close());
    throw this.#ended;
  }
}
