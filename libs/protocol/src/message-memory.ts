import type { Message, Schedule } from "@parley/plan";

import type { Arena, Region } from "./arena.js";

/** Where a share lies: in which message of the schedule, at which byte. */
export interface Place {
  readonly message: number;
  readonly offset: number;
}

/** The memory of a schedule's messages at one party, and where in them the shares of each opening lie. */
export class MessageMemory {
  readonly messages: readonly Message[];
  /** By opening: this party's and the peer's share. */
  readonly own = new Map<number, Place>();
  readonly peer = new Map<number, Place>();
  /** Per message of the schedule: its memory. */
  readonly regions: readonly Region[];
  /** Messages before the input is known. */
  readonly offline: number;

  constructor(
    schedule: Schedule,
    readonly party: 0 | 1,
    readonly arena: Arena,
  ) {
    this.messages = schedule.messages;
    this.offline = this.messages.filter((m) => m.phase === "offline").length;
    const largest = (mine: boolean): number =>
      Math.max(0, ...this.messages.filter((m) => (m.from === party) === mine).map((m) => m.bytes + m.trailer));
    const pair = (bytes: number): Region[] => [arena.reserve(bytes), arena.reserve(bytes)];
    const outgoing = pair(largest(true));
    const incoming = pair(largest(false));
    const used = { own: 0, peer: 0 };
    this.regions = this.messages.map((m) => {
      if (m.from === party) return outgoing[used.own++ % 2];
      // P0 keeps offline shares until their opening; of what arrives in the run, one message and the next.
      return m.phase === "offline" ? arena.reserve(m.bytes) : incoming[used.peer++ % 2];
    });
    this.messages.forEach((message, index) => {
      const places = message.from === party ? this.own : this.peer;
      for (const part of message.parts) places.set(part.opening, { message: index, offset: part.offset });
    });
  }
}
