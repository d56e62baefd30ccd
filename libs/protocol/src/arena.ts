import { allocationBytes } from "@parley/ring";
import type { Ring } from "@parley/ring";

import { RingPool } from "./ring-pool.js";

/** A place in a session's memory; `at` is valid once the arena is built. */
export interface Region {
  readonly at: number;
  readonly bytes: number;
}

const POOL_BYTES = 512 * 1024 * 1024;
const pool = new RingPool(POOL_BYTES);

/** Collects what a session will need, then has one memory of that size, which never grows. */
export class Arena {
  private readonly regions: { at: number; bytes: number }[] = [];
  private bytes = 0;
  private built?: Ring;

  reserve(bytes: number): Region {
    const region = { at: -1, bytes };
    this.regions.push(region);
    this.bytes += allocationBytes(bytes);
    return region;
  }

  /** Room for allocations that kernels' glue makes itself. */
  reserveExtra(bytes: number): void {
    this.bytes += bytes;
  }

  /** @throws RangeError where more than 4 GiB are needed */
  build(): void {
    this.built = pool.take(this.bytes);
    for (const region of this.regions) region.at = this.built.alloc(region.bytes);
  }

  /** @throws Error once the memory is given back: what still runs for an ended session stops here */
  get ring(): Ring {
    if (!this.built) throw new Error("the session's memory is given back");
    return this.built;
  }

  /** Zeroes everything. Allocations are void. */
  erase(): void {
    this.built?.zero();
  }

  /** Gives the memory to later sessions: only when the stream has closed, so that no view of it is on its way. */
  giveBack(): void {
    if (this.built) pool.give(this.built, this.bytes);
    this.built = undefined;
  }
}
