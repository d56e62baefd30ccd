import type { Channel } from "@parley/protocol";
import { decodeFrame, encodeFrame, FRAME_BYTES } from "./frame-codec.js";
import type { Poller } from "./poller.js";

/** The stream that a channel writes to. */
export interface FrameSink {
  write(message: Buffer): void;
  /** Ends the stream; the other side learns it. */
  end(error?: Error): void;
}

type Handler = (step: number, payload: Uint8Array) => void;

/**
 * A session's channel over a gRPC stream. Incoming steps must come in order and have exactly the length that the schedule
 * says, which is checked before anything is stored.
 */
export class GrpcChannel implements Channel {
  readonly counters = { sentMessages: 0, sentBytes: 0, receivedMessages: 0, receivedBytes: 0 };
  readonly #waiting: { step: number; payload: Uint8Array }[] = [];
  readonly #closeHandlers: ((error?: Error) => void)[] = [];
  #handler: Handler | undefined;
  #closed: { error?: Error } | undefined;
  #next = 0;
  #partial: { bytes: Buffer; filled: number } | undefined;

  /** @param incoming the peer's steps in order: number and exact length */
  constructor(
    private readonly sink: FrameSink,
    private readonly incoming: readonly { readonly step: number; readonly bytes: number }[],
    private readonly poller?: Poller,
  ) {}

  /** The payload is copied into its frame at once, whatever `copy` says. */
  send(step: number, payload: Uint8Array, _copy: boolean): void {
    if (this.#closed) return;
    this.counters.sentMessages++;
    this.counters.sentBytes += payload.length;
    for (let offset = 0; offset === 0 || offset < payload.length; offset += FRAME_BYTES)
      this.sink.write(encodeFrame(step, offset, payload.subarray(offset, offset + FRAME_BYTES)));
    this.poller?.sent();
  }

  receive(handler: Handler): void {
    this.#handler = handler;
    for (const { step, payload } of this.#waiting.splice(0)) this.deliver(step, payload);
  }

  onClose(handler: (error?: Error) => void): void {
    if (this.#closed) handler(this.#closed.error);
    else this.#closeHandlers.push(handler);
  }

  close(error?: Error): void {
    if (this.#closed) return;
    this.sink.end(error);
    this.ended(error);
  }

  /** The stream has ended from outside. */
  ended(error?: Error): void {
    if (this.#closed) return;
    this.#closed = { error };
    this.#partial?.bytes.fill(0);
    for (const handler of this.#closeHandlers) handler(error);
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** A frame from the stream. @throws RangeError where it is out of order, or not of the expected length */
  accept(frame: Buffer): void {
    if (this.#closed) return;
    const { step, offset, payload } = decodeFrame(frame);
    const expected = this.incoming[this.#next];
    if (expected === undefined || step !== expected.step)
      throw new RangeError(`step ${step} came, ${expected === undefined ? "none" : expected.step} was expected`);
    const filled = this.#partial?.filled ?? 0;
    if (offset !== filled || offset + payload.length > expected.bytes || (payload.length === 0 && expected.bytes > 0))
      throw new RangeError(`step ${step} has ${expected.bytes} bytes; ${payload.length} came at offset ${offset}`);
    if (offset === 0 && payload.length === expected.bytes) return this.complete(step, payload);
    this.#partial ??= { bytes: Buffer.allocUnsafe(expected.bytes), filled: 0 };
    this.#partial.bytes.set(payload, offset);
    this.#partial.filled += payload.length;
    if (this.#partial.filled < expected.bytes) return;
    const { bytes } = this.#partial;
    this.#partial = undefined;
    this.complete(step, bytes);
  }

  private complete(step: number, payload: Uint8Array) {
    this.#next++;
    this.counters.receivedMessages++;
    this.counters.receivedBytes += payload.length;
    this.poller?.received();
    if (this.#handler) this.deliver(step, payload);
    else this.#waiting.push({ step, payload });
  }

  private deliver(step: number, payload: Uint8Array) {
    this.#handler?.(step, payload);
  }
}
