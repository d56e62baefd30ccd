import type { Schedule } from "@parley/plan";
import { GrpcChannel, type FrameSink } from "./grpc-channel.js";
import type { Poller } from "./poller.js";

/** What the dry exchanges of a schedule share. */
interface DryMessages {
  readonly messages: readonly { readonly from: 0 | 1; readonly step: number; readonly bytes: number }[];
  readonly zeros: Uint8Array;
}

const known = new WeakMap<Schedule, DryMessages>();

function dryMessages(schedule: Schedule): DryMessages {
  let made = known.get(schedule);
  if (made) return made;
  const messages = schedule.messages
    .filter(({ phase }) => phase === "online")
    .map(({ from, step, bytes, trailer }) => ({ from, step, bytes: bytes + trailer }));
  made = { messages, zeros: new Uint8Array(Math.max(...messages.map(({ bytes }) => bytes))) };
  known.set(schedule, made);
  return made;
}

/**
 * The online messages of a run with their exact lengths, all zeros, without computation: warms a stream (code, buffers,
 * congestion window) and measures what the link alone costs.
 */
export class DryExchange {
  readonly #channel: GrpcChannel;
  readonly #dry: DryMessages;
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
    this.#dry = dryMessages(schedule);
    this.#channel = new GrpcChannel(
      sink,
      this.#dry.messages.filter(({ from }) => from !== party),
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
    const { messages, zeros } = this.#dry;
    for (; this.#next < messages.length; this.#next++) {
      const { from, step, bytes } = messages[this.#next];
      if (from !== this.party) return;
      this.#channel.send(step, zeros.subarray(0, bytes), true);
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
