/**
 * The integer of a real value at a scale: round(value * 2^scale), halves away from zero. Exact as long as the product
 * fits 53 bits, because a multiplication by a power of two does not round.
 */
export function quantise(value: number, scale: number): number {
  const rounded = Math.round(Math.abs(value) * 2 ** scale); // Math.round is exact and rounds positive halves up
  return value < 0 ? 0 - rounded : rounded;
}

/** Integers at or above this cannot be admitted: doubles hold them exactly below. */
export const LARGEST_INPUT_INTEGER = 2 ** 52;
