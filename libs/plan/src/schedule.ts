import { openings } from "./openings.js";
import type { Opening } from "./openings.js";
import type { Plan } from "./plan.js";

/** SHA-256 of the transcript, behind P1's last message. Not part of the declared bytes. */
export const TRANSCRIPT_BYTES = 32;

/** A share of an opening, at its place in a message. */
export interface MessagePart {
  /** Index into {@link Schedule.openings}. */
  readonly opening: number;
  readonly offset: number;
  readonly bytes: number;
}

/** One one-way message. */
export interface Message {
  /** Number of the step in the stream: offline ones first, counted from 0. */
  readonly step: number;
  readonly phase: "offline" | "online";
  readonly from: 0 | 1;
  /** Declared payload. */
  readonly bytes: number;
  /** Bytes behind it that are not declared as payload: the transcript's hash in P1's last message, else 0. */
  readonly trailer: number;
  /** What it carries, for people. */
  readonly what: string;
  readonly parts: readonly MessagePart[];
}

export interface Schedule {
  readonly openings: readonly Opening[];
  readonly messages: readonly Message[];
}

/**
 * The messages of a run of n records (protocol, section 6). The party that completes an opening sends, in the same
 * message, its share of that opening and of all that follow until one needs the peer. P1 begins.
 * @throws RangeError for a plan that contradicts itself, naming the step
 */
export function schedule(plan: Plan, records: number): Schedule {
  const known = schedules.get(plan) ?? new Map<number, Schedule>();
  schedules.set(plan, known);
  let made = known.get(records);
  if (!made) known.set(records, (made = build(plan, records)));
  return made;
}

/** Plans do not change, and every session of a plan asks for the same ones. */
const schedules = new WeakMap<Plan, Map<number, Schedule>>();

function build(plan: Plan, records: number): Schedule {
  const all = openings(plan, records);
  const drafts: { phase: "offline" | "online"; from: 0 | 1; parts: MessagePart[]; bytes: number }[] = [];
  const put = (draft: (typeof drafts)[number], opening: number, bytes: number): void => {
    draft.parts.push({ opening, offset: draft.bytes, bytes });
    draft.bytes += bytes;
  };
  all.forEach((o, index) => {
    if (o.offline1 === 0) return;
    drafts.push({ phase: "offline", from: 1, parts: [], bytes: 0 });
    put(drafts[drafts.length - 1], index, o.offline1);
  });

  const next = [0, 0]; // per party: first opening whose own share has not left
  const needs = (party: 0 | 1, o: Opening): boolean => (party === 0 ? o.bytes0 : o.bytes1) > 0;
  let from: 0 | 1 = 1;
  while (next[0] < all.length || next[1] < all.length) {
    const draft = { phase: "online" as const, from, parts: [] as MessagePart[], bytes: 0 };
    const peer: 0 | 1 = from === 0 ? 1 : 0;
    while (next[from] < all.length) {
      const index = next[from];
      // Every opening before this one must be complete here: the peer's share of it has left.
      if (index > 0 && next[peer] < index && all.slice(next[peer], index).some((o) => needs(peer, o))) break;
      if (needs(from, all[index])) put(draft, index, from === 0 ? all[index].bytes0 : all[index].bytes1);
      next[from]++;
    }
    if (draft.bytes > 0) drafts.push(draft);
    from = peer;
  }
  const lastOfP1 = drafts.reduce((last, d, i) => (d.phase === "online" && d.from === 1 ? i : last), -1);
  const messages = drafts.map((draft, step): Message => ({
    step,
    ...draft,
    trailer: step === lastOfP1 ? TRANSCRIPT_BYTES : 0,
    what: draft.parts.map((part) => name(plan, all[part.opening])).join(", "),
  }));
  return { openings: all, messages };
}

function name(plan: Plan, opening: Opening): string {
  if (opening.what === "output") return "output";
  const step = plan.steps[opening.step];
  const round = step.op === "maxpool" ? ` round ${opening.level + 1}` : "";
  return `${step.name}${round}: ${opening.what}`;
}
