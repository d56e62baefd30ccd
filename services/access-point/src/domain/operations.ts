import { Code, fromServiceError } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import type { Vault } from "../store/vault.js";
import type { AgreementWatch } from "./agreement-watch.js";
import { Background, Wakeable } from "./background.js";
import type { Changes } from "./changes.js";
import type { AgreementSet } from "./fleet/agreement-set.js";
import type { Dispatcher } from "./fleet/dispatcher.js";
import type { Fleet } from "./fleet/fleet.js";
import type { PartnerEndpoints } from "./fleet/partner-endpoints.js";
import type { RunDesk } from "./fleet/run-desk.js";
import type { Stock } from "./fleet/stock.js";
import type { AttemptRunner } from "./jobs/attempt-runner.js";
import type { JobBoard } from "./jobs/job-board.js";
import type { SchedulerLink } from "./jobs/scheduler-link.js";
import type { Submission } from "./jobs/submission.js";
import type { Masks } from "./masks.js";
import type { Outbox } from "./outbox.js";
import type { OwnOrganisation } from "./own-organisation.js";
import { pause } from "./pause.js";
import type { Router } from "./router.js";

interface Parts {
  readonly own: OwnOrganisation;
  readonly vault: Vault;
  readonly router: Router;
  readonly changes: Changes;
  readonly fleet: Fleet;
  readonly dispatcher: Dispatcher;
  readonly agreementSet: AgreementSet;
  readonly stock: Stock;
  readonly endpoints: PartnerEndpoints;
  readonly watch: AgreementWatch;
  readonly masks: Masks;
  readonly outbox: Outbox;
  readonly runDesk: RunDesk;
  readonly runner: AttemptRunner;
  readonly submission: Submission;
  readonly link: SchedulerLink;
  readonly board: JobBoard;
  readonly logger: Logger;
}

/** How long signed statements are gathered before they are sent. */
const GATHER_MS = 250;

/** Everything that goes on by itself while the access point runs. */
export class Operations {
  private readonly background: Background;

  constructor(private readonly parts: Parts) {
    this.background = new Background(parts.logger);
  }

  start() {
    const { changes, agreementSet, stock, runDesk, router, watch, link } = this.parts;
    runDesk.recover();
    changes.on("agreements", () => {
      agreementSet.push();
      stock.push();
    });
    changes.on("demand", () => stock.push());
    changes.on("workers", () => stock.push());
    agreementSet.push();
    const once =
      (work: (signal: AbortSignal, alive: () => void) => Promise<void>) =>
      async (signal: AbortSignal, alive: () => void) => {
        if (!router.enrolled) return this.untilEnrolled(signal);
        try {
          await work(signal, alive);
        } catch (caught) {
          if (fromServiceError(caught).code === Code.UNAUTHENTICATED) router.forgetToken();
          throw caught;
        }
      };
    const { background } = this;
    background.repeat(
      "agreements",
      once((signal, alive) => watch.follow(signal, alive)),
      200,
    );
    background.repeat(
      "scheduler",
      once((signal, alive) => link.attach(signal, alive)),
      200,
    );
    this.whenAsked("masks", ["agreements", "enrolled"], 60_000, async (signal) => {
      await this.parts.masks.openMissing(signal);
      await this.parts.masks.endFinished();
    });
    this.whenAsked("outbox", ["run", "revocation", "enrolled"], 30_000, async (signal) => {
      await pause(GATHER_MS, signal); // what ends together is reported together; nobody waits for it
      if (router.enrolled) await this.parts.outbox.flush();
    });
    this.whenAsked("submissions", ["unsubmitted", "enrolled"], 60_000, async (signal) => {
      if (router.enrolled) await this.parts.submission.resume(signal);
    });
    changes.on("enrolled", () => (this.announced = undefined));
    this.whenAsked("own-endpoints", ["workers", "enrolled"], 60_000, () => this.announce());
    this.whenAsked("refused-agreements", ["trusted"], 3_600_000, () => watch.retryRefused());
    // Soon again while a partner has none: its workers may be starting.
    this.whenAsked("partner-endpoints", ["agreements", "enrolled"], 10_000, async (signal) => {
      while (router.enrolled && !signal.aborted && !(await this.parts.endpoints.refresh())) await pause(1_000, signal);
    });
    background.repeat(
      "jobs",
      once(async (signal) => {
        await pause(this.parts.board.awaitsDecision ? 1_000 : 5_000, signal);
        if (!signal.aborted) await this.parts.board.follow();
      }),
    );
    background.repeat("certificate", async (signal) => {
      await pause(this.parts.own.renewAfterMs, signal);
      if (signal.aborted) return;
      await this.parts.own.renew();
      router.reset(); // identity's tokens are bound to the old certificate
    });
  }

  /** Takes no new attempts and binds no more runs; lets workers finish what they run, for at most `ms`. What takes longer they hold until the next start. */
  async drain(ms: number) {
    this.parts.link.drain();
    this.parts.dispatcher.close();
    await Promise.all([this.parts.dispatcher.idle(ms), this.parts.runDesk.drain(ms)]);
    await this.parts.vault.group.run(() => {}); // what has ended is on disk
  }

  async stop() {
    this.parts.dispatcher.close();
    this.parts.runner.close();
    this.parts.agreementSet.stop();
    this.parts.router.reset();
    await this.background.stop();
  }

  private announced: string | undefined;
  private async announce() {
    const { router, fleet } = this.parts;
    const endpoints = fleet.endpoints;
    if (!router.enrolled || endpoints.join() === this.announced) return;
    await router.identity.updateEndpoints({ workerEndpoints: endpoints });
    this.announced = endpoints.join();
  }

  private whenAsked(
    name: string,
    events: readonly ("agreements" | "trusted" | "enrolled" | "run" | "revocation" | "workers" | "unsubmitted")[],
    everyMs: number,
    work: (signal: AbortSignal) => Promise<void>,
  ) {
    const wakeable = new Wakeable();
    for (const event of events) this.parts.changes.on(event, () => wakeable.ask());
    this.background.repeat(name, async (signal, alive) => {
      await wakeable.wait(everyMs, signal);
      if (signal.aborted) return;
      try {
        await work(signal);
        alive();
      } catch (error) {
        wakeable.ask();
        throw error;
      }
    });
  }

  private untilEnrolled(signal: AbortSignal): Promise<void> {
    const enrolled = new AbortController();
    const listener = (operator: string) => operator === "router" && enrolled.abort();
    this.parts.changes.on("enrolled", listener);
    return pause(60_000, AbortSignal.any([signal, enrolled.signal])).finally(() =>
      this.parts.changes.off("enrolled", listener),
    );
  }
}
