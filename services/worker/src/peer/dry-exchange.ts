import type { Schedule } from "@parley/plan";
import { GrpcChannel, type FrameSink } from "./grpc-channel.js";
import type { Poller } from "./poller.js";

/**
 * The online messages of a run with their exact lengths, all zeros, without computation: warms a stream (code, buffers,
 * congestion window) and measures what the link alone costs.
 */
export class DryExchange {
  readonly #channel: GrpcChannel;
  readonly #messages: Schedule["messages"];
  readonly #zeros: Uint8Array;
  readonly #stopPolling: () => void;
  #next = 0;
  #finish!: () => void;
  #fail!: (error: Error) => void;
  readonly done = new Promise<void>((resolve, reject) => {
    this.#finish = resolve;
    this.#fail = reject;
  });

  constructor(
    schedule: Schedule,
    private readonly party: 0 | 1,
    sink: FrameSink,
    poller: Poller,
  ) {
    this.#messages = schedule.messages.filter(({ phase }) => phase === "online");
    const length = (m: Schedule["messages"][number]) => m.bytes + m.trailer;
    this.#zeros = new Uint8Array(Math.max(...this.#messages.map(length)));
    const incoming = this.#messages.filter(({ from }) => from !== party);
    this.#channel = new GrpcChannel(
      sink,
      incoming.map((m) => ({ step: m.step, bytes: length(m) })),
      poller,
    );
    this.#channel.receive(() => {
      this.#next++;
      this.go();
    });
    this.done.catch(() => undefined);
    this.#stopPolling = poller.start();
  }

  /** Sends what this party may send now. P1 calls it once to begin. */
  go(): void {
    for (; this.#next < this.#messages.length; this.#next++) {
      const { from, step, bytes, trailer } = this.#messages[this.#next];
      if (from !== this.party) return;
      this.#channel.send(step, this.#zeros.subarray(0, bytes + trailer), true);
    }
    this.end(undefined);
  }

  /** A frame from the stream. @throws RangeError where it is out of order */
  accept(frame: Buffer): void {
    this.#channel.accept(frame);
  }

  get over(): boolean {
    return this.#channel.isClosed;
  }

  /** The stream has ended. */
  end(error: Error | undefined): void {
    if (this.over) return;
    this.#stopPolling();
    this.#channel.ended(error);
    if (error) this.#fail(error);
    else this.#finish();
  }
}
