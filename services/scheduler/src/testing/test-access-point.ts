import { ParleyError, type scheduler } from "@parley/proto";
import { MessageQueue } from "@parley/service-kit";
import type { SchedulerClient } from "./test-router.js";

type Report = Partial<scheduler.AttemptReport>;

/** The data owner's side of the Attach stream, as a test plays it. */
export class TestStream {
  readonly orders: scheduler.AttemptOrder[] = [];
  readonly cancelled: string[] = [];
  readonly recorded: string[] = [];
  ready = false;
  /** Why the stream ended; undefined while it lives. */
  ended: string | undefined;
  readonly #up = new MessageQueue<scheduler.AttachRequest>();
  readonly #abort = new AbortController();

  constructor(
    client: SchedulerClient,
    private readonly hello: {
      concurrency?: number;
      finished?: readonly scheduler.AttemptReport[];
      /** Never says that it has stored an attempt. */
      silent?: boolean;
    } = {},
  ) {
    const value = { concurrency: hello.concurrency ?? 4, finished: [...(hello.finished ?? [])] };
    this.#up.push({ body: { $case: "hello", value } });
    void this.follow(client);
  }

  private async follow(client: SchedulerClient) {
    try {
      for await (const { body } of client.attach(this.#up, { signal: this.#abort.signal })) {
        if (body?.$case === "ready") this.ready = true;
        if (body?.$case === "attempt") {
          this.orders.push(body.value);
          const { attemptId } = body.value;
          if (!this.hello.silent) this.#up.push({ body: { $case: "accepted", value: { attemptId } } });
        }
        if (body?.$case === "cancel") this.cancelled.push(body.value.attemptId);
        if (body?.$case === "recorded") this.recorded.push(body.value.attemptId);
      }
      this.ended = "closed";
    } catch (error) {
      this.ended = error instanceof ParleyError ? error.reason : String(error);
    }
  }

  report(order: scheduler.AttemptOrder, change: Report = {}): void {
    this.#up.push({ body: { $case: "report", value: reportOf(order, change) } });
  }

  /** Sends something out of order. */
  send(message: scheduler.AttachRequest): void {
    this.#up.push(message);
  }

  /** Breaks the stream, as a lost connection does. */
  break(): void {
    this.#abort.abort();
  }
}

export const reportOf = (order: scheduler.AttemptOrder, change: Report = {}): scheduler.AttemptReport => ({
  jobId: order.jobId,
  attemptId: order.attemptId,
  succeeded: true,
  recordsRevealed: 0,
  error: undefined,
  retryable: false,
  onlineMicros: 1n,
  ...change,
});
