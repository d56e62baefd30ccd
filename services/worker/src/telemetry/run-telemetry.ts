import { stepKind, type Traffic } from "@parley/protocol";
import { Code, type ParleyError } from "@parley/proto";
import {
  count,
  isMetering,
  knownReason,
  measure,
  recordSpan,
  shortModel,
  timeOf,
  type Span,
} from "@parley/service-kit";
import type { WorkingAgreement } from "../models/agreement.js";
import { sessionFailure } from "../session/failure.js";
import type { RunRecord } from "./run-record.js";

/** Runs are told several at a time: when this much time has passed, or so many wait. */
const LATER_MS = 250;
const MOST_LATER = 256;

/** Attributes that all spans and metrics of an agreement's sessions have. */
export const partyOf = ({ agreement }: { readonly agreement: WorkingAgreement }) => ({
  party: agreement.party === 0 ? "p0" : "p1",
  model: shortModel(agreement.terms.asset.id),
});
export const peerOf = ({ partner }: WorkingAgreement) => `${partner.org}/worker`;

/** A session that failed before it had a run. One that was closed has not. */
export function tellFailure(agreement: WorkingAgreement, { code, reason }: ParleyError): void {
  const { party } = partyOf({ agreement });
  if (code !== Code.CANCELLED) count("parley.session.ended", { party, outcome: "failed", reason: knownReason(reason) });
}

/** The other side is there then, and says what it lacks. */
const ANSWERED = ["DRAINING", "PEER_NOT_READY", "DEALER_UNREACHABLE"];

/** Counts a connection to a partner's worker that could not be made, or broke. */
export function tellUnreachable({ partner }: WorkingAgreement, { reason }: ParleyError): void {
  if (!ANSWERED.includes(reason)) count("parley.peer.unreachable", { organisation: partner.org });
}

/** Counts what was refused because it had been used before. @throws always what it is given */
export function tellRefusal(error: unknown): never {
  if (sessionFailure(error).reason === "BATCH_USED") count("parley.ledger.refusals", { where: "worker" });
  throw error;
}

const later: (() => void)[] = [];
let timer: NodeJS.Timeout | undefined;

/**
 * Tells metrics and traces how a run went, and ends its span. Not at once: what is done between two runs leaves the processor's
 * caches colder for the next.
 * @param failed reason of its failure
 */
export function tellRun(span: Span<"parley.run">, record: RunRecord | undefined, failed?: string): void {
  if (!span.isRecording && !isMetering()) return;
  const end = record?.online?.end ?? performance.now();
  later.push(() => tellNow(span, record, failed, end));
  if (later.length >= MOST_LATER) tellAll();
  else timer ??= setTimeout(tellAll, LATER_MS).unref();
}

/** Tells what was not told yet: before telemetry ends. */
export function tellAll(): void {
  clearTimeout(timer);
  timer = undefined;
  for (const tell of later.splice(0)) tell();
}

function tellNow(span: Span<"parley.run">, record: RunRecord | undefined, failed: string | undefined, end: number) {
  const outcome = failed === undefined ? "succeeded" : "failed";
  if (record) {
    const { party } = partyOf(record);
    const { sent, received } = record.traffic();
    count("parley.session.ended", { party, outcome, reason: failed === undefined ? "" : knownReason(failed) });
    count("parley.online.io", { party, direction: "sent" }, totalOf(sent).bytes);
    count("parley.online.io", { party, direction: "received" }, totalOf(received).bytes);
    const { online } = record;
    if (online && failed === undefined)
      measure("parley.online.duration", (online.end - online.start) / 1000, partyOf(record), span.context);
  }
  if (!span.isRecording) return;
  span.set({ outcome });
  if (failed !== undefined) span.fail(failed);
  if (record) tellOnline(span, record, failed);
  span.end(timeOf(end));
}

const totalOf = (steps: readonly Traffic[]): Traffic =>
  steps.reduce((all, { messages, bytes }) => ({ messages: all.messages + messages, bytes: all.bytes + bytes }));

/** Attributes of a step, or of all together. */
const about = (sent: Traffic, received: Traffic, lasted: number, waited: number) => ({
  "parley.messages": sent.messages + received.messages,
  "parley.bytes.sent": sent.bytes,
  "parley.bytes.received": received.bytes,
  "parley.wait": waited / 1000,
  "parley.compute": (lasted - waited) / 1000,
});

/** The online phase with a span for each layer. */
function tellOnline(span: Span<"parley.run">, record: RunRecord, failed: string | undefined) {
  const { online, agreement } = record;
  if (!online) return;
  const steps = record.steps();
  const { sent, received } = record.traffic();
  const sum = (field: "lasted" | "waited") => steps.reduce((total, step) => total + step[field], 0);
  const parent = recordSpan(
    "parley.online",
    { ...partyOf(record), ...about(totalOf(sent), totalOf(received), sum("lasted"), sum("waited")) },
    { parent: span.context, start: timeOf(online.start), end: timeOf(online.end), failed },
  );
  const { party } = partyOf(record);
  for (const { step, start, lasted, waited } of steps)
    recordSpan(
      "parley.layer",
      {
        ...{ party, "parley.layer.kind": stepKind(agreement.plan, step), "parley.layer.index": step },
        ...about(sent[step], received[step], lasted, waited),
      },
      { parent, start: timeOf(start), end: timeOf(start + lasted) },
    );
}
