import type { common } from "@parley/proto";

/** Changes of organisations, for those who watch. A watcher that is slow gets every change, in order. */
export class OrganisationFeed {
  readonly #watchers = new Set<(organisation: common.Organisation) => void>();

  publish(organisation: common.Organisation): void {
    for (const watcher of this.#watchers) watcher(organisation);
  }

  /** Changes from now on, until the signal. */
  async *changes(signal: AbortSignal): AsyncGenerator<common.Organisation> {
    const queue: common.Organisation[] = [];
    let wake: () => void = () => {};
    const watcher = (organisation: common.Organisation) => {
      queue.push(organisation);
      wake();
    };
    this.#watchers.add(watcher);
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      while (!signal.aborted) {
        const next = queue.shift();
        if (next) yield next;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}
