import { fleet } from "@parley/proto";
import type { JobStep } from "../../store/job-steps.js";
import type { Timings } from "../../store/jobs.js";

/** A step of a run as a worker told it; seconds, from the beginning of its party's bind. */
export interface RunStep {
  readonly name: string;
  readonly start: number;
  readonly lasted: number;
  readonly messages: number;
  readonly bytes: number;
  readonly waited: number;
  readonly party: 0 | 1;
}

/** Steps of one run that are taken. */
export const MOST_RUN_STEPS = 1_024;
/** A step's name: kinds and numbers, nothing that could hold data. */
const NAME = /^[a-z][a-z0-9 ._-]{0,63}$/;
/** A day: nothing in a run lasts longer, and nothing is prepared earlier. */
const MOST_S = 86_400;

/** What a worker, or the partner's worker through it, said; what is not a step is left out. */
export function readRunSteps(steps: readonly fleet.RunStep[]): RunStep[] {
  return steps.slice(0, MOST_RUN_STEPS).flatMap((step) => {
    const [start, lasted, waited] = [step.startMicros, step.durationMicros, step.waitMicros].map(
      (n) => Number(n) / 1e6,
    );
    const isServer = step.party === fleet.Party.PARTY_SERVER;
    if (!isServer && step.party !== fleet.Party.PARTY_CLIENT) return [];
    if (!NAME.test(step.name) || Math.abs(start) > MOST_S || lasted > MOST_S || waited > lasted) return [];
    const bytes = Math.min(Number(step.bytes), Number.MAX_SAFE_INTEGER);
    return [
      { name: step.name, start, lasted, waited, messages: step.messages, bytes, party: isServer ? 0 : 1 } as const,
    ];
  });
}

interface Placing {
  /** When the run was sent to the worker, and when its result was here, seconds since 1970. */
  readonly sent: number;
  readonly received: number;
  readonly timings: Pick<Timings, "bindMicros" | "onlineMicros">;
  readonly attempt: string;
  readonly run: number;
  /** The data owner, whose worker told of it, and the model owner. */
  readonly client: string;
  readonly server: string;
}

/**
 * Puts a run's steps on the access point's clock. The clocks of the workers are not compared: what of the run is neither bind nor
 * online is divided between its way there and back, and the partner's bind is put in the middle of the own one.
 */
export function placeRunSteps(steps: readonly RunStep[], placing: Placing): JobStep[] {
  const { sent, received, timings, attempt, run, client, server } = placing;
  const worked = (timings.bindMicros + timings.onlineMicros) / 1e6;
  const ownBind = sent + Math.max(0, received - sent - worked) / 2;
  const bindOf = (party: 0 | 1) => steps.find((step) => step.party === party && step.name === "bind")?.lasted;
  const partnerBind = ownBind + Math.max(0, (bindOf(1) ?? timings.bindMicros / 1e6) - (bindOf(0) ?? 0)) / 2;
  return steps.map(({ start, party, ...step }) => ({
    ...step,
    party,
    actor: "worker",
    organisation: party === 1 ? client : server,
    at: (party === 1 ? ownBind : partnerBind) + start,
    attempt,
    run,
  }));
}
