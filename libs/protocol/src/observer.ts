/** What a session tells about its progress. Never values. Called synchronously: must be quick and must not throw. */
export interface SessionObserver {
  /** A step of the plan begins or ends at this party; in the offline phase too. */
  stepStarted?(step: number, name: string, phase: "offline" | "online"): void;
  stepEnded?(step: number, name: string, phase: "offline" | "online"): void;
  /** This party has nothing to do until the peer's message number `step` arrives, and goes on with it. */
  waiting?(step: number): void;
  resumed?(step: number): void;
}
