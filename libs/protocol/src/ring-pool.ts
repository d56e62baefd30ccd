import { createRing } from "@parley/ring";
import type { Ring } from "@parley/ring";

const WASM_PAGE = 65_536;
const SYSTEM_PAGE = 4096;

/**
 * Memories of ended sessions, zeroed, for later sessions of the same size: mapping fresh pages costs more than the rest of
 * a preparation.
 */
export class RingPool {
  private readonly free = new Map<number, Ring[]>();
  private held = 0;

  /** @param limit most bytes that are kept */
  constructor(private readonly limit: number) {}

  /** A zeroed ring with room for `bytes`, all of its pages mapped. @throws RangeError above 4 GiB */
  take(bytes: number): Ring {
    const size = sizeFor(bytes);
    const ring = this.free.get(size)?.pop();
    if (!ring) return mapped(createRing(size));
    this.held -= size;
    return ring;
  }

  /** Gives a ring back that nobody reads or writes any more. It is zeroed here. */
  give(ring: Ring, bytes: number): void {
    ring.zero();
    const size = sizeFor(bytes);
    if (this.held + size > this.limit) return;
    this.held += size;
    const list = this.free.get(size) ?? [];
    list.push(ring);
    this.free.set(size, list);
  }
}

const sizeFor = (bytes: number): number => Math.ceil(bytes / WASM_PAGE) * WASM_PAGE;

/** Has the system map all pages now: a fault for each would otherwise be paid in the run. */
function mapped(ring: Ring): Ring {
  const bytes = new Uint8Array(ring.buffer);
  for (let at = 0; at < bytes.length; at += SYSTEM_PAGE) bytes[at] += 0;
  return ring;
}
