import { Code, fromServiceError } from "@parley/proto";
import { count, type Logger } from "@parley/service-kit";
import { Backoff, pause } from "./pause.js";

/** Work that goes on until the access point stops. */
export class Background {
  private readonly abort = new AbortController();
  private readonly tasks: Promise<void>[] = [];

  constructor(private readonly logger: Logger) {}

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /**
   * Repeats `work` for ever: a stream that ended is opened again, a failure is retried after a doubling wait. `work` calls
   * `alive` once it has got through, so that the next failure is retried quickly.
   */
  repeat(name: string, work: (signal: AbortSignal, alive: () => void) => Promise<void>, minMs = 0) {
    this.tasks.push(
      (async () => {
        const backoff = new Backoff();
        while (!this.signal.aborted) {
          try {
            await work(this.signal, () => backoff.reset());
            await pause(minMs, this.signal);
          } catch (caught) {
            if (this.signal.aborted) return;
            const { code, reason, message } = fromServiceError(caught);
            // What goes on by itself is with the router, or with the dealer. A network that drops packets gives no answer at all.
            if (code === Code.UNAVAILABLE || code === Code.DEADLINE_EXCEEDED)
              count("parley.peer.unreachable", { organisation: name === "masks" ? "dealer" : "router" });
            this.logger.warn({ task: name, code, reason, why: message }, "will be tried again");
            await backoff.wait(this.signal);
          }
        }
      })(),
    );
  }

  async stop() {
    this.abort.abort();
    await Promise.allSettled(this.tasks);
  }
}

/** A task that runs when asked: asked again while it runs, it runs once more. */
export class Wakeable {
  private asked = true;
  private wake: (() => void) | undefined;

  ask() {
    this.asked = true;
    this.wake?.();
  }

  /** Resolves when the task was asked for, after `ms` at the latest, or at once when the signal aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.asked) {
      const stop = new AbortController();
      this.wake = () => stop.abort();
      await pause(ms, AbortSignal.any([signal, stop.signal]));
      this.wake = undefined;
    }
    this.asked = false;
  }
}
