import { trafficOfSteps, stepName } from "@parley/protocol";
import { fleet, type peer } from "@parley/proto";
import type { RunRecord } from "./run-record.js";

/** Steps that are told of one party: those of both are taken by the access point. */
const MOST = 512;
/** An hour: what a partner states beyond it is not a time. */
const MOST_MICROS = 3_600_000_000;

const micros = (ms: number) => Math.round(ms * 1000);
const whole = (ms: number) => BigInt(micros(ms));
const { PARTY_CLIENT, PARTY_SERVER } = fleet.Party;

/** The own steps of a run of which it was wanted, as the own access point takes them. */
export function ownSteps(record: RunRecord): fleet.RunStep[] {
  const { agreement, bind, prepared } = record;
  const party = agreement.party === 0 ? PARTY_SERVER : PARTY_CLIENT;
  const bare = { messages: 0, bytes: 0n, waitMicros: 0n, party };
  const since = (at: number) => whole(at - bind.start);
  const lasted = whole(bind.end - bind.start);
  const { sent } = record.traffic();
  return [
    { ...bare, name: "offline.prepare", startMicros: since(prepared.start), durationMicros: whole(prepared.lasted) },
    // The data owner only waits for the model owner meanwhile.
    {
      ...bare,
      name: "bind",
      startMicros: 0n,
      durationMicros: lasted,
      ...(party === PARTY_CLIENT && { waitMicros: lasted }),
    },
    ...record.steps().map((step) => ({
      name: stepName(agreement.plan, step.step),
      startMicros: since(step.start),
      durationMicros: whole(step.lasted),
      messages: sent[step.step].messages,
      bytes: BigInt(sent[step.step].bytes),
      waitMicros: whole(step.waited),
      party,
    })),
  ].slice(0, MOST);
}

/** The same for the partner, in few bytes: it knows the plan. */
export function compactSteps(record: RunRecord, batchId: Buffer): peer.Steps {
  const { bind, prepared, agreement } = record;
  const empty = () => new Array<number>(agreement.plan.steps.length + 1).fill(0);
  const [startMicros, durationMicros, waitMicros] = [empty(), empty(), empty()];
  for (const { step, start, lasted, waited } of record.steps()) {
    startMicros[step] = micros(start - bind.start);
    durationMicros[step] = micros(lasted);
    waitMicros[step] = micros(waited);
  }
  return {
    batchId,
    bindMicros: micros(bind.end - bind.start),
    offlineAgoMicros: micros(bind.start - prepared.start),
    offlineMicros: micros(prepared.lasted),
    startMicros,
    durationMicros,
    waitMicros,
  };
}

/**
 * What the model owner's worker told of its steps. Its numbers are claims: they must be times, one for each step of the plan,
 * else nothing is taken. Names, messages and bytes are the plan's.
 */
export function partnerSteps(told: peer.Steps, { agreement, records }: RunRecord): fleet.RunStep[] {
  const { plan } = agreement;
  const { startMicros, durationMicros, waitMicros, bindMicros, offlineAgoMicros, offlineMicros } = told;
  const lists = [startMicros, durationMicros, waitMicros];
  const all = [bindMicros, offlineAgoMicros, offlineMicros, ...lists.flat()];
  if (lists.some(({ length }) => length !== plan.steps.length + 1)) return [];
  if (all.some((value) => !Number.isInteger(value) || value < 0 || value > MOST_MICROS)) return [];
  const declared = trafficOfSteps(plan, records, 0);
  const time = (
    name: string,
    start: number,
    duration: number,
    wait = 0,
    { messages, bytes } = { messages: 0, bytes: 0 },
  ) => ({
    name,
    startMicros: BigInt(start),
    durationMicros: BigInt(duration),
    waitMicros: BigInt(Math.min(wait, duration)),
    messages,
    bytes: BigInt(bytes),
    party: PARTY_SERVER,
  });
  return [
    time("offline.prepare", -offlineAgoMicros, offlineMicros),
    time("bind", 0, bindMicros),
    ...declared.flatMap((sent, step) =>
      startMicros[step] + durationMicros[step] === 0
        ? []
        : [time(stepName(plan, step), startMicros[step], durationMicros[step], waitMicros[step], sent)],
    ),
  ].slice(0, MOST);
}

/** Steps of both parties in the order of their beginnings, each by its own clock. */
export const inOrder = (steps: readonly fleet.RunStep[]): fleet.RunStep[] =>
  steps.toSorted((a, b) => Number(a.startMicros - b.startMicros));
