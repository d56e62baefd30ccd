import type { MaxPoolStep, Window } from "./plan.js";

/** One round of max(a, b) = b + relu(a - b) over all windows of a record. The k-th pair's result is slot `first + k`. */
export interface TournamentLevel {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  readonly first: number;
}

/** A maximum pooling of one record. Slots 0 .. size - 1 are the input's elements; every comparison adds one. */
export interface Tournament {
  readonly levels: readonly TournamentLevel[];
  /** Slots per record. */
  readonly slots: number;
  /** Slot of each output element. */
  readonly result: Uint32Array;
}

/** Indices into [channels][inHeight][inWidth] that each output element of a window covers, padding left out, row-major. */
export function windowElements(window: Window, channels: number): number[][] {
  const w = window;
  const axis = (out: number, kernel: number, stride: number, dilation: number, pad: number, size: number): number[] =>
    Array.from({ length: kernel }, (_, k) => out * stride - pad + k * dilation).filter((i) => i >= 0 && i < size);
  const elements: number[][] = [];
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < w.outHeight; y++) {
      const rows = axis(y, w.kernelHeight, w.strideHeight, w.dilationHeight, w.padTop, w.inHeight);
      for (let x = 0; x < w.outWidth; x++) {
        const columns = axis(x, w.kernelWidth, w.strideWidth, w.dilationWidth, w.padLeft, w.inWidth);
        elements.push(rows.flatMap((r) => columns.map((column) => (c * w.inHeight + r) * w.inWidth + column)));
      }
    }
  return elements;
}

/**
 * Pairs neighbours until each window has one left: ceil(log2(largest window)) levels, one comparison fewer per window
 * than it has elements. Windows of one element need none.
 * @throws RangeError where a window covers nothing but padding
 */
export function tournament(step: MaxPoolStep): Tournament {
  let made = known.get(step);
  if (!made) known.set(step, (made = build(step)));
  return made;
}

/** Steps do not change, and schedules, costs and sessions of a plan ask for the same one again and again. */
const known = new WeakMap<MaxPoolStep, Tournament>();

/** Most elements that all windows of a record may cover together: a plan from a stranger costs a bounded amount to lay out. */
const MOST_COVERED = 2 ** 26;

function build(step: MaxPoolStep): Tournament {
  const w = step.window;
  const covered = step.channels * w.outHeight * w.outWidth * w.kernelHeight * w.kernelWidth;
  if (covered > MOST_COVERED)
    throw new RangeError(
      `step "${step.name}": its pooling windows cover ${covered} elements, more than ${MOST_COVERED}`,
    );
  let slots = step.channels * w.inHeight * w.inWidth;
  let left = windowElements(w, step.channels);
  if (left.some((window) => window.length === 0))
    throw new RangeError(`step "${step.name}": a pooling window covers nothing but padding`);
  const levels: TournamentLevel[] = [];
  while (left.some((window) => window.length > 1)) {
    const a: number[] = [];
    const b: number[] = [];
    const first = slots;
    left = left.map((window) => {
      const next: number[] = [];
      for (let i = 0; i + 1 < window.length; i += 2) {
        a.push(window[i]);
        b.push(window[i + 1]);
        next.push(slots++);
      }
      return window.length % 2 === 1 ? [...next, window[window.length - 1]] : next;
    });
    levels.push({ a: Uint32Array.from(a), b: Uint32Array.from(b), first });
  }
  return { levels, slots, result: Uint32Array.from(left, (window) => window[0]) };
}
