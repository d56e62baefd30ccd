import type { peer } from "@parley/proto";

/** The model owner's steps of one run, which come right behind its last message, or never. */
export class PartnerSteps {
  readonly #come: Promise<peer.Steps>;
  #put: (steps: peer.Steps) => void = () => {};

  constructor(private readonly batchId: Buffer) {
    this.#come = new Promise((resolve) => (this.#put = resolve));
  }

  /** Steps from the stream. Those of a run of before are late, and not needed any more. */
  put(steps: peer.Steps): void {
    if (steps.batchId.equals(this.batchId)) this.#put(steps);
  }

  /** Waits for them, though not longer than this: a result waits with them. */
  async within(ms: number): Promise<peer.Steps | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
    const steps = await Promise.race([this.#come, late]);
    clearTimeout(timer);
    return steps;
  }
}
