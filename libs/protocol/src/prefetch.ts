import type { Arena } from "./arena.js";
import type { Instruction } from "./program.js";

/** Little, because a message that arrives meanwhile waits. */
const PIECE_BYTES = 8 * 1024;
/** What is fetched further ahead than this drives out of the second-level cache what is needed before it. */
const AHEAD_BYTES = 640 * 1024;

interface Piece {
  /** Index of the instruction that reads it. */
  readonly instruction: number;
  readonly region: { readonly at: number };
  readonly offset: number;
  readonly bytes: number;
  /** Bytes of all pieces before it. */
  readonly before: number;
}

/** What the instructions of a program read, in order, in pieces. The same for every run. */
export function piecesOf(instructions: readonly Instruction[]): readonly Piece[] {
  let before = 0;
  return instructions.flatMap(({ reads = [] }, instruction) =>
    reads.flatMap((region) =>
      Array.from({ length: Math.ceil(region.bytes / PIECE_BYTES) }, (_, i): Piece => {
        const offset = i * PIECE_BYTES;
        const bytes = Math.min(PIECE_BYTES, region.bytes - offset);
        before += bytes;
        return { instruction, region, offset, bytes, before: before - bytes };
      }),
    ),
  );
}

/** Fetches correlations and weights into the cache while a party waits: they are cold, and every one is read once. */
export class Prefetch {
  private next = 0;

  constructor(
    private readonly pieces: readonly Piece[],
    private readonly arena: Arena,
  ) {}

  /** Fetches one piece, at most; about half a microsecond. @param at the instruction that the party is at */
  step(at: number): void {
    const { pieces } = this;
    while (this.next < pieces.length && pieces[this.next].instruction < at) this.next++;
    const piece = pieces[this.next];
    if (!piece || piece.before - this.usedBefore(at) > AHEAD_BYTES) return;
    this.next++;
    this.arena.ring.exports.touch(piece.region.at + piece.offset, piece.bytes);
  }

  private used = 0;

  /** Bytes that instructions before `at` read. */
  private usedBefore(at: number): number {
    const { pieces } = this;
    while (this.used < pieces.length && pieces[this.used].instruction < at) this.used++;
    return pieces[this.used]?.before ?? Infinity;
  }
}
