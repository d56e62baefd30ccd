/** The gate's kernels in build/ring.wasm; described in assembly/gate-*.ts. `spec`: pointer of {@link writeGate}. */
export interface GateKernels {
  gateSlice(x: number, rows: number, width: number, subBit: number): void;
  gateLookUp(spec: number, x: number, blocks: number, sent: number, state: number, count: number): void;
  gateOpenLookUp(
    spec: number,
    x: number,
    peer: number,
    blocks: number,
    sent: number,
    state: number,
    elements: number,
  ): void;
  gateFold(spec: number, blocks: number, own: number, peer: number, state: number, select: number, count: number): void;
  gateSelect(spec: number, x: number, blocks: number, own: number, peer: number, z: number, count: number): void;
  gateDeal(spec: number, r0: number, r1: number, p0: number, drawn: number, out: number, count: number): void;
  addPackWords(out: number, x: number, y: number, count: number, bits: number): void;
  openWords(x: number, packed: number, count: number, bits: number, width: number): void;
  touch(at: number, bytes: number): number;
  wordsToBits(words: number, out: number, count: number, bits: number): void;
  bitsToWords(bytes: number, words: number, count: number, bits: number): void;
  poolDifferences(
    x: number,
    pool: number,
    a: number,
    b: number,
    pairs: number,
    records: number,
    slots: number,
    width: number,
  ): void;
  poolCoupleDifferences(
    x: number,
    from: number,
    runs: number,
    count: number,
    last: number,
    records: number,
    stride: number,
  ): void;
  poolCoupleWinners(
    out: number,
    outStride: number,
    from: number,
    stride: number,
    z: number,
    runs: number,
    count: number,
    last: number,
    records: number,
  ): void;
  poolWinners(pool: number, z: number, b: number, first: number, pairs: number, records: number, slots: number): void;
  poolLoad(pool: number, x: number, count: number, records: number, slots: number): void;
  poolGather(out: number, pool: number, index: number, count: number, records: number, slots: number): void;
}
