import { Code, ParleyError, fromServiceError, type fleet, type ServiceClient } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import { MessageQueue } from "@parley/service-kit";

type FleetClient = ServiceClient<typeof fleet.FleetServiceService>;
type Body = NonNullable<fleet.AttachRequest["body"]>;
type Down = NonNullable<fleet.AttachResponse["body"]>;
type Pending = { resolve: () => void; reject: (error: ParleyError) => void };

/** What comes down from the access point. */
export interface FleetEvents {
  agreements(set: fleet.AgreementSet): void;
  run(order: fleet.RunOrder): void;
  cancel(attemptId: string): void;
  target(target: fleet.StockTarget): void;
  drain(): void;
  probe(probe: fleet.Probe): void;
  /** The access point takes nothing of this worker any more; another certificate is needed, which a new start brings. */
  revoked(): void;
}

export interface LinkSettings {
  readonly name: string;
  readonly endpoint: () => string;
  readonly concurrency: number;
}

/** Results are kept this long for an access point that is away. */
const HOLD_MS = 60_000;

const away = () =>
  new ParleyError(
    Code.UNAVAILABLE,
    "ACCESS_POINT_AWAY",
    "the own access point is not reached",
    "The attempt is retried.",
  );

/** The worker's control stream to its own access point. Reconnects by itself; bound runs go on meanwhile. */
export class FleetLink {
  readonly #pending = new Map<bigint, Pending>();
  readonly #finished = new Map<string, { result: fleet.RunResult; until: number }>();
  readonly #abort = new AbortController();
  #queue: MessageQueue<fleet.AttachRequest> | undefined;
  #number = 0n;
  readonly #waiting: (() => void)[] = [];
  #owed = 0;
  #draining = false;
  #attached: () => void = () => {};
  /** Resolves when the first stream is up. */
  readonly attached = new Promise<void>((resolve) => (this.#attached = resolve));

  constructor(
    private readonly client: FleetClient,
    private readonly settings: LinkSettings,
    private readonly events: FleetEvents,
    private readonly logger: Logger,
  ) {}

  start(): this {
    void this.follow();
    return this;
  }

  close(): void {
    this.#queue?.end();
    this.#abort.abort();
  }

  /** @throws ParleyError UNAVAILABLE where the access point is away now */
  requireThere(): void {
    if (!this.#queue) throw away();
  }

  /** Asks the access point; resolves when it agrees. @throws ParleyError with its refusal, or UNAVAILABLE where it is away */
  ask(body: Body): Promise<void> {
    const queue = this.#queue;
    if (!queue) return Promise.reject(away());
    const requestId = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#pending.set(requestId, { resolve, reject });
      queue.push({ requestId, body });
    });
  }

  /** What the access point must still hear: results, ends of runs. */
  get owed(): number {
    return this.#owed;
  }

  /** Resolves when the access point gives no more runs to this worker, or is away: when it is back, it is told in the hello. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.ask({ $case: "draining", value: {} }).catch((error: unknown) =>
      this.logger.info({ reason: fromServiceError(error).reason }, "the access point could not be told of the end"),
    );
  }

  /** The same, kept for a minute where the access point is away. @throws ParleyError with its refusal */
  async askSurely(body: Body): Promise<void> {
    this.#owed++;
    try {
      for (const until = Date.now() + HOLD_MS; ; await this.nextStream()) {
        try {
          return await this.ask(body);
        } catch (error) {
          if (!(error instanceof ParleyError) || error.reason !== "ACCESS_POINT_AWAY" || Date.now() > until)
            throw error;
        }
      }
    } finally {
      this.#owed--;
    }
  }

  /** Tells the access point, without an answer. */
  tell(body: Body): void {
    this.#queue?.push({ requestId: 0n, body });
  }

  /** Hands a result over, also after a reconnection: in the next hello, or by itself where that has left already. */
  async deliver(result: fleet.RunResult): Promise<void> {
    const key = `${result.attemptId}/${result.run}`;
    this.#finished.set(key, { result, until: Date.now() + HOLD_MS });
    await this.askSurely({ $case: "runResult", value: result }).then(
      () => this.#finished.delete(key),
      (error: unknown) => this.logger.warn({ attemptId: result.attemptId, err: error }, "a result was not taken"),
    );
  }

  private nextStream(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  private async follow() {
    for (let wait = 100; !this.#abort.signal.aborted; wait = Math.min(wait * 2, 5_000)) {
      const queue = new MessageQueue<fleet.AttachRequest>();
      const held = this.heldResults();
      try {
        queue.push({
          requestId: 0n,
          body: {
            $case: "hello",
            value: {
              name: this.settings.name,
              endpoint: this.#draining ? "" : this.settings.endpoint(),
              concurrency: this.#draining ? 0 : this.settings.concurrency,
              finished: held.map((h) => h.result),
            },
          },
        });
        for await (const { replyTo, body } of this.client.attach(queue, { signal: this.#abort.signal })) {
          if (this.#queue !== queue) {
            this.#queue = queue;
            wait = 100;
            for (const { result } of held) this.#finished.delete(`${result.attemptId}/${result.run}`);
            this.#attached();
            for (const wake of this.#waiting.splice(0)) wake();
          }
          if (body) this.take(replyTo, body);
        }
      } catch (error) {
        const { code, reason } = fromServiceError(error);
        if (reason === "WORKER_REVOKED") {
          this.logger.error(
            { reason },
            "this worker was revoked; where it is one of yours, it enrols anew at its next start",
          );
          this.events.revoked();
          this.#abort.abort();
        }
        if (!this.#abort.signal.aborted)
          this.logger.warn({ code: Code[code], reason }, "the access point is away, trying again");
      }
      queue.end();
      this.#queue = undefined;
      for (const { reject } of this.#pending.values()) reject(away());
      this.#pending.clear();
      if (!this.#abort.signal.aborted) await new Promise((resolve) => setTimeout(resolve, wait).unref());
    }
  }

  private heldResults() {
    const now = Date.now();
    for (const [key, { until }] of this.#finished) if (until < now) this.#finished.delete(key);
    return [...this.#finished.values()];
  }

  private take(replyTo: bigint, body: Down) {
    switch (body.$case) {
      case "reply": {
        const pending = this.#pending.get(replyTo);
        this.#pending.delete(replyTo);
        const { code, reason, message, hint } = body.value;
        if (code === Code.OK) pending?.resolve();
        else pending?.reject(new ParleyError(code, reason, message, hint));
        return;
      }
      case "agreements":
        return this.events.agreements(body.value);
      case "run":
        return this.events.run(body.value);
      case "cancel":
        return this.events.cancel(body.value.attemptId);
      case "target":
        return this.events.target(body.value);
      case "drain":
        return this.events.drain();
      case "probe":
        return this.events.probe(body.value);
    }
  }
}
