import { allocationBytes, createRing } from "@parley/ring";
import type { Ring } from "@parley/ring";

/** A place in a session's memory; `at` is valid once the arena is built. */
export interface Region {
  readonly at: number;
  readonly bytes: number;
}

/** Collects what a session will need, then makes one ring of that size: its memory never grows. */
export class Arena {
  private readonly regions: { at: number; bytes: number }[] = [];
  private extra = 0;
  private built?: Ring;

  reserve(bytes: number): Region {
    const region = { at: -1, bytes };
    this.regions.push(region);
    return region;
  }

  /** Room for allocations that kernels' glue makes itself. */
  reserveExtra(bytes: number): void {
    this.extra += bytes;
  }

  /** @throws RangeError where more than 4 GiB are needed */
  build(): Ring {
    const bytes = this.regions.reduce((sum, region) => sum + allocationBytes(region.bytes), 0);
    this.built = createRing(bytes + this.extra);
    for (const region of this.regions) region.at = this.built.alloc(region.bytes);
    touch(this.built);
    return this.built;
  }

  get ring(): Ring {
    if (!this.built) throw new Error("the arena is not built");
    return this.built;
  }
}

const PAGE = 4096;

/** Has the system map all pages now: a fault for each would otherwise be paid in the run. */
function touch({ buffer }: Ring): void {
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < bytes.length; at += PAGE) bytes[at] += 0;
}
