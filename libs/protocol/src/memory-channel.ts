import type { Channel } from "./channel.js";

/** When the in-memory channel reads the bytes of a step sent without `copy`. */
export type CopyTime =
  /** At once. */
  | "early"
  /** Only when the receiver gets them, as grpc-js does. */
  | "late";

type Sent = { step: number; payload: Uint8Array };

class MemoryChannel implements Channel {
  readonly counters = { sentMessages: 0, sentBytes: 0, receivedMessages: 0, receivedBytes: 0 };
  private peer!: MemoryChannel;
  private handler?: (step: number, payload: Uint8Array) => void;
  private readonly closeHandlers: ((error?: Error) => void)[] = [];
  private readonly waiting: Sent[] = [];
  /** Sent, not yet read by the peer. */
  private readonly flying = new Set<Sent>();
  private closed?: { error?: Error };

  constructor(
    private readonly copyTime: CopyTime,
    private readonly observe?: (step: number, payload: Uint8Array) => void,
  ) {}

  connect(peer: MemoryChannel): void {
    this.peer = peer;
  }

  send(step: number, payload: Uint8Array, copy: boolean): void {
    if (this.closed) return;
    this.counters.sentMessages++;
    this.counters.sentBytes += payload.length;
    this.observe?.(step, payload);
    const sent = { step, payload: copy || this.copyTime === "early" ? Uint8Array.from(payload) : payload };
    this.flying.add(sent);
    setImmediate(() => {
      this.flying.delete(sent);
      this.peer.deliver(sent);
    });
  }

  receive(handler: (step: number, payload: Uint8Array) => void): void {
    this.handler = handler;
    for (const sent of this.waiting.splice(0)) this.deliver(sent);
  }

  close(error?: Error): void {
    setImmediate(() => this.peer.end(error));
    this.end(error);
  }

  onClose(handler: (error?: Error) => void): void {
    if (this.closed) handler(this.closed.error);
    else this.closeHandlers.push(handler);
  }

  private deliver(sent: Sent): void {
    if (this.closed) return;
    if (!this.handler) {
      this.waiting.push({ step: sent.step, payload: sent.payload.slice() });
      return;
    }
    this.counters.receivedMessages++;
    this.counters.receivedBytes += sent.payload.length;
    this.handler(sent.step, sent.payload.slice());
  }

  private end(error?: Error): void {
    if (this.closed) return;
    this.closed = { error };
    for (const sent of this.flying) sent.payload = sent.payload.slice();
    for (const handler of this.closeHandlers.splice(0)) handler(error);
  }
}

/**
 * Two ends of a channel in one process: [P0's, P1's].
 * @param copyTime when a step sent without `copy` is read; "late" shows a region that is written again too early
 * @param observe sees every step as it is sent, e.g. to fill regions again or to compare runs
 */
export function createChannelPair(
  copyTime: CopyTime = "early",
  observe?: (from: 0 | 1, step: number, payload: Uint8Array) => void,
): [Channel, Channel] {
  const ends = ([0, 1] as const).map(
    (party) => new MemoryChannel(copyTime, observe && ((step, payload) => observe(party, step, payload))),
  );
  ends[0].connect(ends[1]);
  ends[1].connect(ends[0]);
  return [ends[0], ends[1]];
}
