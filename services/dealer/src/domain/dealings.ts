import { Dealing, maskBytes } from "@parley/correlation";
import { parsePlan } from "@parley/plan";
import type { MaskRow } from "../store/mask-store.js";
import { maskName } from "./keys.js";
import type { Sealing } from "./sealing.js";

/** Expanded masks held at once, bytes. */
const MOST_BYTES = 1 << 30;

interface Held {
  readonly dealing: Dealing;
  readonly bytes: number;
  users: number;
  /** Given up: erased when its last user is done. */
  ended: boolean;
}

/** Masks ready to deal from, the least recently used given up first. One that is in use is never taken away. */
export class Dealings {
  readonly #held = new Map<string, Held>();

  constructor(private readonly sealing: Sealing) {}

  /** Deals with a mask; call the returned function when done. */
  use(mask: MaskRow): { dealing: Dealing; done: () => void } {
    const id = mask.id.toString("hex");
    const held = this.#held.get(id) ?? this.open(mask);
    this.#held.delete(id);
    this.#held.set(id, held);
    held.users++;
    this.trim();
    const done = () => {
      if (--held.users === 0 && held.ended) held.dealing.destroy();
    };
    return { dealing: held.dealing, done };
  }

  /** Erases an ended mask as soon as nobody uses it. */
  forget(maskId: Buffer): void {
    const id = maskId.toString("hex");
    const held = this.#held.get(id);
    if (!held) return;
    this.#held.delete(id);
    held.ended = true;
    if (held.users === 0) held.dealing.destroy();
  }

  /** Masks that are expanded here. */
  get maskIds(): Buffer[] {
    return [...this.#held.keys()].map((id) => Buffer.from(id, "hex"));
  }

  /** Expands U at once, on this thread: milliseconds for each MiB of it, once per mask while it is held. */
  private open(mask: MaskRow): Held {
    if (!mask.sealed) throw new Error("the key of an active mask is there");
    const key = this.sealing.open(mask.sealed, maskName(mask.id));
    const plan = parsePlan(JSON.parse(mask.plan));
    const dealing = new Dealing(plan, key, mask.id);
    key.fill(0);
    return { dealing, bytes: 2 * maskBytes(plan), users: 0, ended: false };
  }

  private trim() {
    let total = [...this.#held.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [id, held] of this.#held) {
      if (total <= MOST_BYTES) return;
      if (held.users > 0) continue;
      this.#held.delete(id);
      held.dealing.destroy();
      total -= held.bytes;
    }
  }
}
