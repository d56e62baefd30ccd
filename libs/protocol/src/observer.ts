/**
 * What a session tells about its run: steps, never values. Called synchronously while the peer may be waiting: must be quick and
 * must not throw.
 */
export interface SessionObserver {
  /** A step of the plan begins at this party, and the one before it has ended; -1 after the last one, which reveals the output. */
  entered(step: number): void;
  /** This party has nothing to do until the peer's message comes, and goes on with it. */
  waiting(): void;
  resumed(): void;
}
