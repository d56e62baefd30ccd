import { seconds, type VaultDatabase } from "./database.js";

export type StepActor = "access-point" | "scheduler" | "worker";

/** One step of a job: names and counts, never data. Times are seconds since 1970, or seconds. */
export interface JobStep {
  readonly name: string;
  readonly actor: StepActor;
  /** Empty for the router's. */
  readonly organisation: string;
  readonly at: number;
  readonly lasted: number;
  /** Attempt id; empty for what belongs to none. */
  readonly attempt: string;
  readonly run?: number;
  readonly messages?: number;
  readonly bytes?: number;
  /** Of what it lasted, seconds spent waiting for the other party. */
  readonly waited?: number;
  readonly party?: 0 | 1;
}

/** Steps of one job that are kept. */
export const MOST_STEPS = 4_096;
/** Jobs whose steps are in memory, not written yet. */
const MOST_OPEN = 1_000;
/** Rows that are kept, two or three for a job; older ones go, though their job stays. */
export const MOST_ROWS = 10_000;
/** How often it is looked whether there are more. */
const PRUNE_EVERY = 64;

interface Notes {
  steps: JobStep[];
  count: number;
  dropped: number;
}

/**
 * What jobs' time went into. Steps are gathered in memory and written with the commits that a job has anyway; a crash loses
 * those of the last moments, and nothing else depends on them. They go with their job.
 */
export class JobSteps {
  private readonly open = new Map<string, Notes>();
  private added = 0;

  constructor(
    private readonly database: VaultDatabase,
    private readonly mostRows = MOST_ROWS,
  ) {}

  /** Notes steps; what is beyond a job's {@link MOST_STEPS} is counted only. */
  note(job: string, ...steps: readonly JobStep[]) {
    let notes = this.open.get(job);
    if (!notes) {
      for (const oldest of this.open.keys()) {
        if (this.open.size < MOST_OPEN) break;
        this.open.delete(oldest);
      }
      this.open.set(job, (notes = { steps: [], count: 0, dropped: 0 }));
    }
    const room = Math.max(0, MOST_STEPS - notes.count);
    notes.steps.push(...steps.slice(0, room));
    notes.count += Math.min(room, steps.length);
    notes.dropped += Math.max(0, steps.length - room);
  }

  /** Notes what lasted from `at` until now. */
  noteSince(job: string, at: number, step: Omit<JobStep, "at" | "lasted">) {
    this.note(job, { ...step, at, lasted: Math.max(0, seconds() - at) });
  }

  /** Writes what was noted, in a transaction. With `isLast` nothing more of the job is expected. */
  write(job: string, isLast = false) {
    const notes = this.open.get(job);
    if (isLast) this.open.delete(job);
    if (!notes || (notes.steps.length === 0 && notes.dropped === 0)) return;
    const { steps, dropped } = notes;
    notes.steps = [];
    notes.dropped = 0;
    this.database.run(`INSERT INTO job_steps (job, steps, dropped) VALUES (:job, :steps, :dropped)`, {
      job,
      steps: JSON.stringify(steps.map(encode)),
      dropped,
    });
    if (++this.added % PRUNE_EVERY === 0) this.prune();
  }

  /** The steps of a job, written or not, in the order of their beginnings. */
  of(job: string): { steps: JobStep[]; dropped: number } {
    const rows = this.database.all<{ steps: string; dropped: number }>(
      `SELECT steps, dropped FROM job_steps WHERE job = :job ORDER BY sequence`,
      { job },
    );
    const notes = this.open.get(job);
    const written = rows.flatMap((row) => (JSON.parse(row.steps) as Encoded[]).map(decode));
    const steps = [...written, ...(notes?.steps ?? [])].sort((a, b) => a.at - b.at);
    return { steps, dropped: rows.reduce((sum, row) => sum + row.dropped, notes?.dropped ?? 0) };
  }

  /** Forgets the oldest rows beyond those that are kept. */
  prune() {
    this.database.run(`DELETE FROM job_steps WHERE sequence <= (SELECT max(sequence) FROM job_steps) - :most`, {
      most: this.mostRows,
    });
  }
}

type Encoded = [string, StepActor, string, number, number, string, number, number, number, number, number];

/** Without names, since most rows hold many steps. Microseconds. */
const encode = (s: JobStep): Encoded => [
  s.name,
  s.actor,
  s.organisation,
  Math.round(s.at * 1e6),
  Math.round(s.lasted * 1e6),
  s.attempt,
  s.run ?? -1,
  s.messages ?? 0,
  s.bytes ?? 0,
  Math.round((s.waited ?? 0) * 1e6),
  s.party ?? -1,
];
const decode = ([name, actor, organisation, at, lasted, attempt, run, messages, bytes, waited, party]: Encoded) => ({
  ...{ name, actor, organisation, attempt, messages, bytes },
  at: at / 1e6,
  lasted: lasted / 1e6,
  waited: waited / 1e6,
  ...(run >= 0 && { run }),
  ...(party >= 0 && { party: party as 0 | 1 }),
});
