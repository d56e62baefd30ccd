const WINDOW_MS = 60_000;
const PER_WINDOW = 60;

interface Window {
  readonly until: number;
  noted: number;
  left: number;
}

/** Which refusals go into the audit log: a caller in a loop must not fill it. What is left out is counted. */
export class RefusalNotes {
  readonly #windows = new Map<string, Window>();

  constructor(private readonly now: () => number = Date.now) {}

  /** Undefined where this refusal is left out; else how many were left out since the organisation's last note. */
  note(org: string): { leftOut: number } | undefined {
    const known = this.#windows.get(org);
    const over = !known || known.until <= this.now();
    const window = over ? { until: this.now() + WINDOW_MS, noted: 0, left: known?.left ?? 0 } : known;
    this.#windows.set(org, window);
    if (window.noted >= PER_WINDOW) {
      window.left++;
      return undefined;
    }
    const leftOut = window.left;
    window.noted++;
    window.left = 0;
    return { leftOut };
  }
}
