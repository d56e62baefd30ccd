import { allocationBytes, createRing } from "@parley/ring";
import type { Ring } from "@parley/ring";

const SYSTEM_PAGE = 4096;

/** A place in a memory; `at` is valid once the arena is built. */
export interface Region {
  readonly at: number;
  readonly bytes: number;
}

/**
 * Collects what runs of one kind need, then has one memory of that size, which never grows. Fixed regions (weights, index
 * lists) are written once; all others belong to one run and are zeroed at its end.
 */
export class Arena {
  private readonly regions: { at: number; bytes: number }[] = [];
  private readonly fixtures: { bytes: number; write: (ring: Ring) => void }[] = [];
  private total = 0;
  private built?: Ring;
  private run: Region = { at: 0, bytes: 0 };

  /** Room of one run. */
  reserve(bytes: number): Region {
    const region = { at: -1, bytes };
    this.regions.push(region);
    this.total += allocationBytes(bytes);
    return region;
  }

  /** Room for what is the same in every run; `write` fills it once. */
  fix(bytes: number, write: (ring: Ring, at: number) => void): Region {
    const region = { at: -1, bytes };
    this.fixWith(allocationBytes(bytes), (ring) => {
      region.at = ring.alloc(bytes);
      write(ring, region.at);
    });
    return region;
  }

  /** The same where `write` allocates itself, at most so many bytes, also for a moment. */
  fixWith(bytes: number, write: (ring: Ring) => void): void {
    this.fixtures.push({ bytes, write });
    this.total += bytes;
  }

  /** Bytes of the memory. */
  get bytes(): number {
    return this.total;
  }

  /** @throws RangeError where more than 4 GiB are needed */
  build(): void {
    const ring = createRing(this.total);
    const begin = ring.mark();
    for (const region of this.regions) region.at = ring.alloc(region.bytes);
    this.run = { at: begin, bytes: ring.mark() - begin };
    for (const { write } of this.fixtures.splice(0)) write(ring);
    // Have the system map all pages now: a fault for each would otherwise be paid in the run.
    const bytes = new Uint8Array(ring.buffer);
    for (let at = 0; at < bytes.length; at += SYSTEM_PAGE) bytes[at] += 0;
    this.built = ring;
  }

  get ring(): Ring {
    if (!this.built) throw new Error("the memory is not built yet");
    return this.built;
  }

  /** Zeroes what belongs to one run. */
  erase(): void {
    this.ring.u8(this.run.at, this.run.bytes).fill(0);
  }
}
