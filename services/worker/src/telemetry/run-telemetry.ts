import { stepKind, type StepTime } from "@parley/protocol";
import { Code, type ParleyError } from "@parley/proto";
import { count, isTracing, knownReason, measure, recordSpan, shortModel, timeOf, type Span } from "@parley/service-kit";
import type { WorkingAgreement } from "../models/agreement.js";
import { sessionFailure } from "../session/failure.js";
import type { RunRecord } from "./run-record.js";

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
  const { code, reason } = sessionFailure(error);
  if (code === Code.ALREADY_EXISTS || reason === "PART_REFUSED") count("parley.ledger.refusals", { where: "worker" });
  throw error;
}

/**
 * Tells metrics and traces how a run went, and ends its span. Called when its result has left: nothing of this is on its way.
 * @param failed reason of its failure
 */
export function tellRun(span: Span<"parley.run">, record: RunRecord | undefined, failed?: string): void {
  const outcome = failed === undefined ? "succeeded" : "failed";
  if (record) {
    const { party } = partyOf(record);
    count("parley.session.ended", { party, outcome, reason: failed === undefined ? "" : knownReason(failed) });
    count("parley.online.io", { party, direction: "sent" }, record.sentBytes);
    count("parley.online.io", { party, direction: "received" }, record.receivedBytes);
    const { online } = record;
    if (online && failed === undefined)
      measure("parley.online.duration", (online.end - online.start) / 1000, partyOf(record), span.context);
  }
  if (!span.isRecording) return;
  span.set({ outcome });
  if (failed !== undefined) span.fail(failed);
  if (record && isTracing()) tellOnline(span, record, failed);
  span.end(record?.online && timeOf(record.online.end));
}

/** The online phase with a span for each layer. */
function tellOnline(span: Span<"parley.run">, record: RunRecord, failed: string | undefined) {
  const { online, agreement } = record;
  if (!online) return;
  const steps = record.times?.steps() ?? [];
  const sum = (field: keyof StepTime) => steps.reduce((total, step) => total + step[field], 0);
  const waited = sum("waited");
  const parent = recordSpan(
    "parley.online",
    {
      ...partyOf(record),
      "parley.messages": record.messages,
      "parley.bytes.sent": record.sentBytes,
      "parley.bytes.received": record.receivedBytes,
      "parley.wait": waited / 1000,
      "parley.compute": (sum("lasted") - waited) / 1000,
    },
    { parent: span.context, start: timeOf(online.start), end: timeOf(online.end), failed },
  );
  const { party } = partyOf(record);
  for (const step of steps)
    recordSpan(
      "parley.layer",
      {
        party,
        "parley.layer.kind": stepKind(agreement.plan, step.step),
        "parley.layer.index": step.step,
        "parley.messages": step.sentMessages + step.receivedMessages,
        "parley.bytes.sent": step.sentBytes,
        "parley.bytes.received": step.receivedBytes,
        "parley.wait": step.waited / 1000,
        "parley.compute": (step.lasted - step.waited) / 1000,
      },
      { parent, start: timeOf(step.start), end: timeOf(step.start + step.lasted) },
    );
}
