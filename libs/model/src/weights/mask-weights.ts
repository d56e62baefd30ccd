import { checkWeights, maskBytes, PlanError, type Plan, type Weights } from "@parley/plan";

/**
 * D = W - U mod 2^64 for the weights of all linear steps in order, 8 bytes each, little-endian (protocol, section 4). Chunks
 * of U may be cut anywhere; each gives a chunk of D of the same length, so nothing is held whole.
 * @throws PlanError WRONG_MASK where U is not {@link maskBytes} long; D made so far is then worthless and must be dropped
 */
export async function* maskWeights(
  plan: Plan,
  weights: Weights,
  uChunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  checkWeights(plan, weights);
  const expected = maskBytes(plan);
  const operands = weights.map((entry) => entry.weights).filter((operand) => operand.length > 0);
  const wrongLength = (): never => {
    throw new PlanError("WRONG_MASK", `the mask is not ${expected} bytes long`, "Ask the dealer for a new mask.");
  };
  let done = 0;
  let operand = 0;
  let index = 0;
  let borrow = 0;
  for await (const chunk of uChunks) {
    if (done + chunk.length > expected) return wrongLength();
    const result = new Uint8Array(chunk.length);
    for (let i = 0; i < chunk.length; i++) {
      const byte = (done + i) & 7;
      if (byte === 0) borrow = 0;
      // byte by byte: a chunk may end inside a word; the sign extends int32 to 64 bits
      const w = (operands[operand][index] >> Math.min(31, 8 * byte)) & 255;
      const difference = w - chunk[i] - borrow;
      result[i] = difference;
      borrow = difference < 0 ? 1 : 0;
      if (byte === 7 && ++index === operands[operand].length) {
        operand++;
        index = 0;
      }
    }
    done += chunk.length;
    yield result;
  }
  if (done !== expected) wrongLength();
}
