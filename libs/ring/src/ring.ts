import { readFileSync } from "node:fs";
import type { Kernels } from "./kernels.js";

const PAGE = 65_536;
/** Bytes behind each allocation that kernels may read, never use. */
const SLACK = 16;

let compiled: WebAssembly.Module | undefined;

function load(): WebAssembly.Module {
  const file = new URL("../build/ring.wasm", import.meta.url);
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new Error('the WebAssembly kernels are missing; run "npm run build"', { cause });
  }
  return new WebAssembly.Module(new Uint8Array(bytes));
}

/**
 * One instance of the kernels with a memory of its own, sized once: views never detach. All numbers in it are
 * little-endian. Pointers are byte offsets.
 */
export class Ring {
  readonly buffer: ArrayBuffer;
  /** The raw kernels; pointers and 32-bit integers only. */
  readonly exports: Kernels;
  readonly #base: number;
  readonly #size: number;
  #top: number;

  /** @param bytes what the allocations need in all; see {@link allocationBytes} */
  constructor(bytes: number) {
    compiled ??= load();
    // The module itself needs its first page.
    const pages = Math.ceil(bytes / PAGE) + 1;
    if (!Number.isSafeInteger(pages) || pages < 1 || pages > PAGE)
      throw new RangeError(`a ring memory of ${bytes} bytes cannot be had; at most 4 GiB`);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.buffer = memory.buffer as ArrayBuffer;
    const instance = new WebAssembly.Instance(compiled, { env: { memory } });
    this.exports = instance.exports as unknown as Kernels;
    this.#base = Math.ceil(this.exports.heapBase() / SLACK) * SLACK;
    this.#top = this.#base;
    this.#size = pages * PAGE;
  }

  /** A pointer to `bytes` zeroed bytes. @throws RangeError where the memory is used up */
  alloc(bytes: number, align = 16): number {
    const at = Math.ceil(this.#top / align) * align;
    const end = at + bytes + SLACK;
    if (!Number.isInteger(bytes) || bytes < 0 || end > this.#size)
      throw new RangeError(`the ring memory of ${this.#size} bytes has no room for ${bytes} more`);
    this.#top = end;
    return at;
  }

  /** Bytes that may still be allocated. */
  get free(): number {
    return this.#size - this.#top;
  }

  /** The present end of the allocations, for {@link release}. */
  mark(): number {
    return this.#top;
  }

  /** Zeroes and frees everything allocated after `mark`. */
  release(mark: number): void {
    this.u8(mark, this.#top - mark).fill(0);
    this.#top = mark;
  }

  /** Erases every allocation; pointers given out before are void. */
  zero(): void {
    this.release(this.#base);
  }

  u8(at: number, count: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer, at, count);
  }
  u16(at: number, count: number): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.buffer, at, count);
  }
  i32(at: number, count: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.buffer, at, count);
  }
  u32(at: number, count: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.buffer, at, count);
  }
  i64(at: number, count: number): BigInt64Array<ArrayBuffer> {
    return new BigInt64Array(this.buffer, at, count);
  }
  u64(at: number, count: number): BigUint64Array<ArrayBuffer> {
    return new BigUint64Array(this.buffer, at, count);
  }
}

export const createRing = (bytes: number): Ring => new Ring(bytes);

/** Bytes that an allocation takes, alignment and slack included. */
export const allocationBytes = (bytes: number): number => Math.ceil(bytes / 16) * 16 + SLACK;
