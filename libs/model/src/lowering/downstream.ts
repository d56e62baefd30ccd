import type { Layer, ValueId } from "../network/network.js";

export interface Downstream {
  readers(id: ValueId): readonly Layer[];
  /** The value that is revealed. */
  readonly output: ValueId;
}

/** How many times larger than a value anything may be that follows from it before the next gate. An estimate, not a proof. */
export function headroom(id: ValueId, downstream: Downstream): bigint {
  const factors = downstream.readers(id).map((layer): bigint => {
    switch (layer.op) {
      case "relu":
        return 1n;
      case "sumpool":
        return BigInt(layer.window.kernelHeight * layer.window.kernelWidth) * headroom(layer.output, downstream);
      case "add":
      case "add-constant":
        return 2n * headroom(layer.output, downstream);
      case "maxpool": {
        const later = headroom(layer.output, downstream);
        return later > 2n ? later : 2n; // a compared difference has one bit more
      }
      default:
        return 2n; // the truncation before a linear layer has one bit less
    }
  });
  return factors.reduce((a, b) => (b > a ? b : a), 1n);
}

/** True where everything that follows from a value cuts it to one scale by a gate: half a unit may be added before. */
export function roundable(id: ValueId, downstream: Downstream): boolean {
  const readers = downstream.readers(id);
  return (
    id !== downstream.output &&
    readers.length > 0 &&
    readers.every(
      (layer) =>
        layer.op === "relu" || layer.op === "linear" || (layer.op === "maxpool" && roundable(layer.output, downstream)),
    )
  );
}
