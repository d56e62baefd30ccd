import type { Plan } from "@parley/plan";

import type { Operands } from "./build-program.js";
import type { Channel } from "./channel.js";
import { Conversation } from "./conversation.js";
import type { PartyCorrelations } from "./correlations.js";
import { SessionError } from "./error.js";
import { machines } from "./machine.js";
import type { Machine } from "./machine.js";
import type { SessionObserver } from "./observer.js";
import { otherWork } from "./other-work.js";
import { Prefetch } from "./prefetch.js";
import type { Context, Instruction } from "./program.js";

export interface SessionOptions {
  readonly plan: Plan;
  /** Records of the run. */
  readonly records: number;
  /** This party's part of one batch; the session closes it. */
  readonly correlations: PartyCorrelations;
  readonly channel: Channel;
}

type State = "new" | "preparing" | "prepared" | "running" | "done" | "ended";
interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

/**
 * One party's side of one run: prepared once, run once. Whatever ends it, its batch is dead and its memory is erased.
 * The run is driven by the peer's messages: each either completes the opening that the program waits for or ends the session.
 */
export abstract class Session {
  protected readonly context: Context;
  private readonly machine: Machine;
  private readonly conversation: Conversation;
  private readonly prefetch: Prefetch;
  private readonly correlations: PartyCorrelations;
  private readonly channel: Channel;
  private observer?: SessionObserver;
  private state: State = "new";
  private failure?: SessionError;
  private waiter?: Waiter;
  /** Rejects when the session fails: what waits for the dealer stops waiting. */
  private readonly ended: Promise<never>;
  private end!: (error: Error) => void;
  /** What the run does, and how far it is. */
  private readonly instructions: readonly Instruction[];
  private at = 0;
  private shared = false;
  private deferred = false;
  private blocked = false;
  private erased = false;
  private streamEnded = false;
  private givenBack = false;
  /** What may still write to the memory although the session has ended. */
  private expanding: Promise<void> = Promise.resolve();
  private expandedAll = false;
  private current = -1;

  /** @throws SessionError INVALID where plan, records and operands do not fit each other */
  constructor(
    options: SessionOptions,
    private readonly operands: Operands,
  ) {
    const { plan, records } = options;
    if (!Number.isInteger(records) || records < 1 || records > plan.maxRecords)
      throw new SessionError("INVALID", `a run of ${records} records; the plan allows 1 to ${plan.maxRecords}`);
    this.ended = new Promise((_, reject) => (this.end = reject));
    this.ended.catch(() => undefined);
    this.correlations = options.correlations;
    this.channel = options.channel;
    this.machine = machines.take(plan, records, operands);
    this.context = this.machine.context;
    this.conversation = new Conversation(this.machine.messages, this.channel);
    this.prefetch = new Prefetch(this.machine.pieces, this.context.arena);
    this.instructions = [...this.machine.instructions, this.outputInstruction(this.machine.output)];
    this.channel.onClose((error) => this.closed(error));
    this.channel.receive((step, payload) => this.take(step, payload));
  }

  /** From now on tells somebody about the run. Before {@link run}: what was before is not told. */
  observe(observer: SessionObserver): void {
    this.observer = observer;
  }

  /** Something useful for a few microseconds while the peer is waited for: called again and again. */
  idle(): void {
    if (this.state === "running" && this.blocked) this.prefetch.step(this.at);
  }

  /** Messages of the schedule that have passed so far, either way. */
  get passed(): number {
    return this.conversation.passed;
  }

  /** SHA-256 over (sender, step, length, bytes) of all steps so far. */
  transcript(): Uint8Array {
    return this.conversation.transcript.digest();
  }

  /** Ends the session where it has not ended, and erases its memory. */
  destroy(): void {
    if (this.state === "done" || this.state === "ended") this.erase();
    else this.fail(new SessionError("STOPPED", "the session was stopped"));
  }

  /** The opening of the output: P0 shares, P1 reads. */
  protected abstract outputInstruction(opening: number): Instruction;
  /** Called before the last message of the schedule leaves; throws to keep it. */
  protected abstract beforeLast(): void;

  protected async prepareOnce(): Promise<void> {
    this.enter("new", "preparing", "prepare()");
    try {
      for (const program of this.machine.programs) {
        this.expanding = program.expand(this.correlations, () => this.requireAlive());
        await Promise.race([this.expanding, this.ended]);
        this.requireAlive();
        for (const instruction of program.instructions) this.runOffline(instruction);
        await otherWork();
        this.requireAlive();
      }
      this.correlations.close();
      this.expandedAll = true;
      if (!this.conversation.offlineDone) await this.wait();
      this.requireAlive();
      this.state = "prepared";
    } catch (error) {
      throw this.fail(error);
    }
  }

  protected async runOnce(start: () => void): Promise<void> {
    this.enter("prepared", "running", "run()");
    try {
      start();
      const end = this.wait();
      this.advance();
      await end;
    } catch (error) {
      throw this.fail(error);
    }
  }

  /** P1: what does not depend on the input is done, and sent, before it is known. */
  private runOffline(instruction: Instruction): void {
    if (instruction.kind === "compute") {
      if (instruction.offline) instruction.run();
      return;
    }
    if (!this.sentOffline(instruction.opening)) return;
    instruction.share?.(this.conversation.ownShare(instruction.opening));
    this.conversation.wrote(instruction.opening, () => undefined);
  }

  private take(step: number, payload: Uint8Array): void {
    if (this.state === "done" || this.state === "ended") return;
    try {
      this.conversation.take(step, payload, this.state === "new" || this.state === "preparing" ? "offline" : "online");
    } catch (error) {
      this.fail(error);
      return;
    }
    if (this.state === "running") {
      if (this.blocked) {
        this.blocked = false;
        this.observer?.resumed();
      }
      if (!this.deferred) this.advance();
    } else if (this.state === "preparing" && this.conversation.offlineDone) this.settle();
  }

  /** Goes on until the peer's share is missing. After a message has left, the rest is done in a later turn, so that it leaves now. */
  private advance(): void {
    try {
      while (this.at < this.instructions.length) {
        const instruction = this.instructions[this.at];
        this.observeStep(instruction.step);
        if (instruction.kind === "compute") {
          if (!instruction.offline) instruction.run();
          this.at++;
          continue;
        }
        const { opening } = instruction;
        if (!this.shared && !this.sentOffline(opening) && this.conversation.sends(opening)) {
          if (!this.conversation.mayWrite(opening)) return this.block();
          this.shared = true;
          instruction.share?.(this.conversation.ownShare(opening));
          const left = this.conversation.wrote(opening, () => this.beforeLast());
          if (left && this.conversation.peerShare(opening) !== undefined && this.at < this.instructions.length - 1) {
            this.defer();
            return;
          }
        }
        const peer = this.conversation.peerShare(opening);
        if (peer === undefined) return this.block();
        instruction.complete?.(this.conversation.ownShare(opening), peer);
        this.shared = false;
        this.at++;
      }
      this.observeStep(-1);
      this.conversation.transcript.settle();
      this.state = "done";
      this.settle();
      setImmediate(() => this.erase());
    } catch (error) {
      this.fail(error);
    }
  }

  private block(): void {
    this.blocked = true;
    // Hashing and observing wait until the message has left the process, and are done while the peer works.
    setImmediate(() => {
      if (this.blocked) this.observer?.waiting();
      this.conversation.transcript.settle();
    });
  }

  private sentOffline(opening: number): boolean {
    return this.context.party === 1 && this.machine.schedule.openings[opening].offline1 > 0;
  }

  private defer(): void {
    this.deferred = true;
    setImmediate(() => {
      this.deferred = false;
      if (this.state === "running") this.advance();
    });
  }

  private enter(from: State, to: State, what: string): void {
    if (this.failure) throw this.failure;
    if (this.state !== from)
      throw new SessionError(
        "STATE",
        `${what} of a session that is ${this.state}: a session is prepared once and run once`,
      );
    this.state = to;
  }

  private requireAlive(): void {
    if (this.failure) throw this.failure;
  }

  private wait(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.waiter = { resolve, reject };
    });
  }

  private settle(): void {
    this.waiter?.resolve();
    this.waiter = undefined;
  }

  private closed(cause?: Error): void {
    this.streamEnded = true;
    this.giveBack();
    if (this.state !== "done" && this.state !== "ended")
      this.fail(new SessionError("CLOSED", "the stream ended before the session: retry with a new batch", { cause }));
  }

  /** Ends the session. The first failure stands. */
  private fail(cause: unknown): SessionError {
    if (this.failure) return this.failure;
    const message = cause instanceof Error ? cause.message : "unknown failure";
    this.failure = cause instanceof SessionError ? cause : new SessionError("INVALID", message, { cause });
    this.state = "ended";
    this.end(this.failure);
    this.waiter?.reject(this.failure);
    this.waiter = undefined;
    this.channel.close(this.failure);
    this.correlations.close();
    this.erase();
    return this.failure;
  }

  /** Zeroes shares, masks and messages. */
  private erase(): void {
    if (this.givenBack) return;
    this.conversation.transcript.forget();
    this.context.arena.erase();
    this.erased = true;
    this.giveBack();
  }

  /**
   * Once: the machine serves other runs only when the stream has closed, because until then the channel may hold views of
   * its memory, and when nothing of this run writes to it any more.
   */
  private giveBack(): void {
    if (!this.erased || !this.streamEnded || this.givenBack) return;
    this.givenBack = true;
    const give = (): void => machines.give(this.machine, this.operands);
    if (this.expandedAll) return give();
    const eraseAgain = (): void => {
      this.context.arena.erase(); // a step that was under way may have written since
      give();
    };
    this.expanding.then(eraseAgain, eraseAgain);
  }

  private observeStep(step: number): void {
    if (this.observer === undefined || step === this.current) return;
    this.observer.entered(step);
    this.current = step;
  }
}
