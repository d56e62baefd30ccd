/** One party's part of one batch, read once, front to back. Writes to no target after close(). */
export interface PartyCorrelations {
  /** Fills `target` with the next bytes that this party derives from its key for a step of the plan (index into Plan.steps). */
  own(step: number, target: Uint8Array): void;
  /** P1: fills `target` with the next explicit corrections, waiting for them. @throws where fewer were sent */
  corrections(target: Uint8Array): Promise<void>;
  /** Erases keys and what is left. */
  close(): void;
}
