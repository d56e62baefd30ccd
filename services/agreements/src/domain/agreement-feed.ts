import type { Logger } from "@parley/service-kit";
import type { AgreementRow, AgreementStore } from "../store/agreement-store.js";

type Listener = (row: AgreementRow) => void;

/**
 * State changes of agreements, in order, whichever replica made them: the table is read by revision, at once after a change
 * of our own and every `everyMs` for those of others.
 */
export class AgreementFeed {
  readonly #listeners = new Map<Listener, string>();
  #revision = 0;
  #reading: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: AgreementStore,
    private readonly logger: Logger,
    private readonly everyMs = 500,
  ) {}

  async start(): Promise<this> {
    this.#revision = await this.store.lastRevision();
    this.#timer = setInterval(() => void this.poke(), this.everyMs);
    return this;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reading;
  }

  /** Reads what is new, after what is being read. */
  poke(): Promise<void> {
    return (this.#reading = this.#reading.then(() => this.read()));
  }

  /** Changes of an organisation's agreements from now on, until the signal. */
  async *changes(org: string, signal: AbortSignal): AsyncGenerator<AgreementRow> {
    const queue: AgreementRow[] = [];
    let wake: () => void = () => {};
    const listener = (row: AgreementRow) => {
      queue.push(row);
      wake();
    };
    this.#listeners.set(listener, org);
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      while (!signal.aborted) {
        const next = queue.shift();
        if (next) yield next;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }

  private async read(): Promise<void> {
    try {
      for (const row of await this.store.changedAfter(this.#revision)) {
        this.#revision = row.revision;
        for (const [listener, org] of this.#listeners)
          if (row.modelOwner === org || row.dataOwner === org) listener(row);
      }
    } catch (error) {
      this.logger.warn({ err: error }, "changes of agreements could not be read, trying again");
    }
  }
}
