import { fromServiceError, type scheduler } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import { seconds } from "../../store/database.js";
import type { StoredAttempt } from "../../store/attempts.js";
import type { Vault } from "../../store/vault.js";
import type { Changes } from "../changes.js";
import { MessageQueue } from "@parley/service-kit";
import { pause } from "../pause.js";
import type { Router } from "../router.js";
import type { AttemptRunner } from "./attempt-runner.js";

const reportOf = (attempt: StoredAttempt): scheduler.AttemptReport => ({
  jobId: attempt.job,
  attemptId: attempt.id,
  succeeded: attempt.state === "succeeded",
  recordsRevealed: attempt.revealed,
  error: attempt.error,
  retryable: attempt.retryable,
  onlineMicros: BigInt(attempt.onlineMicros),
});

/** The outgoing stream to the scheduler: what ended is reported first, then orders come down and reports go up. */
export class SchedulerLink {
  private sayDraining: (() => void) | undefined;
  private draining = false;

  constructor(
    private readonly vault: Vault,
    private readonly router: Router,
    private readonly runner: AttemptRunner,
    private readonly changes: Changes,
    private readonly logger: Logger,
    private readonly concurrency: number,
  ) {}

  /** The access point stops: no new attempts, please. What ends meanwhile is reported. */
  drain() {
    this.draining = true;
    this.sayDraining?.();
  }

  /** One stream, until it ends. */
  async attach(signal: AbortSignal, alive: () => void): Promise<void> {
    if (this.draining) return pause(60_000, signal);
    await this.vault.group.run(() => {}); // what is reported below must be on disk
    const outgoing = new MessageQueue<scheduler.AttachRequest>();
    const finished = this.vault.attempts.unrecorded();
    const reported = new Set(finished.map(({ id }) => id));
    const sentAt = new Map<string, number>();
    const send = (body: NonNullable<scheduler.AttachRequest["body"]>) => outgoing.push({ body });
    const report = (id: string) => {
      const attempt = this.vault.attempts.get(id);
      if (!attempt || attempt.state === "running" || reported.has(id)) return;
      reported.add(id);
      sentAt.set(id, seconds());
      send({ $case: "report", value: reportOf(attempt) });
    };
    send({ $case: "hello", value: { concurrency: this.concurrency, finished: finished.map(reportOf) } });
    this.changes.on("attempt", report);
    this.sayDraining = () => send({ $case: "draining", value: {} });
    try {
      for await (const { body } of this.router.scheduler.attach(outgoing, { signal })) {
        alive();
        switch (body?.$case) {
          case "ready":
            for (const { id } of finished) this.vault.attempts.markRecorded(id);
            // What ended between the hello and now.
            for (const { id } of this.vault.attempts.unrecorded()) report(id);
            this.changes.emit("unsubmitted");
            break;
          case "attempt":
            this.take(body.value, send, reported);
            break;
          case "cancel":
            this.runner.cancel(body.value.attemptId, body.value.reason);
            break;
          case "recorded":
            this.forget(body.value.attemptId, sentAt.get(body.value.attemptId));
            sentAt.delete(body.value.attemptId);
            break;
        }
      }
    } finally {
      this.changes.off("attempt", report);
      this.sayDraining = undefined;
      outgoing.end();
    }
  }

  /** Put off: where it is lost in a crash, the attempt is reported again, to no effect. */
  private forget(attempt: string, sentAt: number | undefined) {
    const { attempts, steps, group } = this.vault;
    const job = attempts.get(attempt)?.job;
    const report = { name: "report", actor: "scheduler", organisation: "", attempt } as const;
    if (job && sentAt !== undefined) steps.noteSince(job, sentAt, report);
    group.later(() => {
      attempts.markRecorded(attempt);
      if (job) steps.write(job, true);
    });
  }

  private take(
    order: scheduler.AttemptOrder,
    send: (body: NonNullable<scheduler.AttachRequest["body"]>) => void,
    reported: Set<string>,
  ) {
    reported.delete(order.attemptId); // an order that comes again wants its report again
    this.runner
      .take(order, () => send({ $case: "accepted", value: { attemptId: order.attemptId } }))
      .then((refusal) => refusal && send({ $case: "report", value: refusal }))
      .catch((error: unknown) =>
        this.logger.error(
          { job: order.jobId, attempt: order.attemptId, reason: fromServiceError(error).reason, err: error },
          "order not taken",
        ),
      );
  }
}
