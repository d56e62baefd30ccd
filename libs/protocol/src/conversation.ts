import { timingSafeEqual } from "node:crypto";
import { TRANSCRIPT_BYTES } from "@parley/plan";
import type { Message } from "@parley/plan";

import type { Channel } from "./channel.js";
import { SessionError } from "./error.js";
import type { MessageMemory } from "./message-memory.js";
import { Transcript } from "./transcript.js";

/** Messages that may wait to be hashed when another comes. */
const UNHASHED = 2;

/**
 * One party's end of the schedule in one run: sends each message when all its parts are written, and takes the peer's in
 * exactly the scheduled order and lengths.
 *
 * Online messages go out as views of the machine's memory: the schedule alternates, and a buffer is written again only when
 * the peer has answered the message before it (protocol, section 6). Offline shares and the last message are copied.
 */
export class Conversation {
  readonly transcript = new Transcript();
  private readonly messages: readonly Message[];
  /** The next message of the schedule, from either side. */
  private next = 0;
  private written = 0;

  constructor(
    private readonly memory: MessageMemory,
    private readonly channel: Channel,
  ) {
    this.messages = memory.messages;
  }

  /** Whether all offline steps have passed. */
  get offlineDone(): boolean {
    return this.next >= this.memory.offline;
  }

  /** Messages of the schedule that have passed, either way. */
  get passed(): number {
    return this.next;
  }

  /** Whether this party sends a share of an opening. */
  sends(opening: number): boolean {
    return this.memory.own.has(opening);
  }

  /** Whether the message that carries this party's share of an opening is the next one of the schedule. */
  mayWrite(opening: number): boolean {
    return this.memory.own.get(opening)?.message === this.next;
  }

  /** Where this party's share of an opening belongs; 0 where it sends none. */
  ownShare(opening: number): number {
    const place = this.memory.own.get(opening);
    return place ? this.memory.regions[place.message].at + place.offset : 0;
  }

  /** The peer's share of an opening: 0 where it sends none, undefined while it has not come. */
  peerShare(opening: number): number | undefined {
    const place = this.memory.peer.get(opening);
    if (!place) return 0;
    return place.message < this.next ? this.memory.regions[place.message].at + place.offset : undefined;
  }

  /**
   * Notes that this party's share of an opening is written, and sends its message where it was the last part.
   * @param beforeLast called before the last message of the schedule leaves
   * @returns whether a message left
   */
  wrote(opening: number, beforeLast: () => void): boolean {
    const place = this.memory.own.get(opening);
    const message = this.messages[this.next];
    if (!place || place.message !== this.next) throw new Error(`a share of opening ${opening} has no place now`);
    if (++this.written < message.parts.length) return false;
    this.written = 0;
    const region = this.memory.regions[this.next];
    const { ring } = this.memory.arena;
    const payload = ring.u8(region.at, message.bytes);
    this.transcript.note(this.memory.party, message.step, payload);
    const last = this.next === this.messages.length - 1;
    if (message.trailer > 0) ring.u8(region.at + message.bytes, TRANSCRIPT_BYTES).set(this.transcript.digest());
    if (last) beforeLast();
    this.next++;
    const copy = last || message.phase === "offline";
    if (copy) this.transcript.settle();
    this.channel.send(message.step, ring.u8(region.at, message.bytes + message.trailer), copy);
    return true;
  }

  /**
   * Takes a step from the peer.
   * @param phase "online" steps are refused while it is "offline"
   * @throws SessionError PEER_MESSAGE or TRANSCRIPT
   */
  take(step: number, payload: Uint8Array, phase: "offline" | "online"): void {
    // A buffer serves every second message: what it held must be hashed by then.
    this.transcript.settle(UNHASHED);
    const message = this.messages[this.next];
    if (!message || message.from === this.memory.party)
      throw new SessionError("PEER_MESSAGE", `the peer sent step ${step} when it was not its turn`);
    if (message.step !== step)
      throw new SessionError("PEER_MESSAGE", `the peer sent step ${step} where step ${message.step} is due`);
    const length = message.bytes + message.trailer;
    if (payload.length !== length)
      throw new SessionError("PEER_MESSAGE", `step ${step} has ${payload.length} bytes, the schedule says ${length}`);
    if (message.phase === "online" && phase === "offline")
      throw new SessionError(
        "PEER_MESSAGE",
        `the peer began the run with step ${step} before the session was prepared`,
      );
    const { ring } = this.memory.arena;
    const region = this.memory.regions[this.next];
    ring.u8(region.at, length).set(payload);
    this.transcript.note(message.from, step, ring.u8(region.at, message.bytes));
    if (message.trailer > 0 && !timingSafeEqual(this.transcript.digest(), payload.subarray(message.bytes)))
      throw new SessionError("TRANSCRIPT", "the parties' transcripts differ: they did not see the same messages");
    this.next++;
  }
}
