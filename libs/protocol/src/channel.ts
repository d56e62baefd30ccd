/** What a channel has carried: whole steps and their payloads, without frames and control messages. */
export interface Counters {
  readonly sentMessages: number;
  readonly sentBytes: number;
  readonly receivedMessages: number;
  readonly receivedBytes: number;
}

/**
 * One ordered stream of steps between the two parties of a session. An adapter reassembles steps and bounds their
 * length; sessions check number, order and exact length.
 */
export interface Channel {
  readonly counters: Counters;
  /**
   * Sends one whole step. With `copy` the payload may change as soon as the call returns; without, it stays as it is
   * until the peer has answered (protocol, section 6).
   */
  send(step: number, payload: Uint8Array, copy: boolean): void;
  /** The handler gets each whole step; the payload is valid during the call only. */
  receive(handler: (step: number, payload: Uint8Array) => void): void;
  /** Ends the stream; both ends learn it. Further calls do nothing. */
  close(error?: Error): void;
  /** The handler is called once, when this end holds no payload any more that it was sent without `copy`. */
  onClose(handler: (error?: Error) => void): void;
}
