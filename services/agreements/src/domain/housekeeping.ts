import type { Logger } from "@parley/service-kit";
import type { AgreementStore } from "../store/agreement-store.js";
import type { ReservationStore } from "../store/reservation-store.js";
import type { AgreementFeed } from "./agreement-feed.js";

const ACTOR = "router/agreements";

/** What time brings: agreements end, reservations of ended jobs are settled. Any number of replicas may do it. */
export class Housekeeping {
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(
    private readonly agreements: AgreementStore,
    private readonly reservations: ReservationStore,
    private readonly feed: AgreementFeed,
    private readonly logger: Logger,
  ) {}

  start(everyMs: number): this {
    this.#timer = setInterval(() => {
      this.#work = this.#work.then(() =>
        this.tick(new Date()).catch((error: unknown) =>
          this.logger.warn({ err: error }, "housekeeping failed, trying again"),
        ),
      );
    }, everyMs);
    return this;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#work;
  }

  async tick(now: Date): Promise<void> {
    const due = await this.agreements.due(now);
    for (const { id, modelOwner, dataOwner } of due)
      await this.agreements.change(
        id,
        ["offered", "active", "suspended"],
        { state: "expired" },
        { action: "agreement.expired", actor: ACTOR, subject: id, organisations: [modelOwner, dataOwner] },
      );
    if (due.length > 0) await this.feed.poke();
    await this.reservations.settle(now, ({ jobId, agreementId, remaining }) => ({
      action: "quota.settled",
      actor: ACTOR,
      subject: jobId,
      details: { agreement: agreementId, released: remaining },
    }));
  }
}
