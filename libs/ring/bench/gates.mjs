import { randomFillSync } from "node:crypto";
import { createRing, gateSpecBytes, writeGate } from "../dist/index.js";
import { time } from "./time.mjs";

const BLOCK = 128;
const HOT_BLOCKS = 16;
/** Elements of one gate where correlations come from memory, and how much memory: several times what the caches hold. */
const COLD_BLOCKS = 64;
const COLD_BYTES = 96 * 2 ** 20;
const ROUNDS = 7;
const relu = (width, shift) => [
  `${shift ? "ReLU" : "maximum"}, width ${width}, shift ${shift}`,
  { function: "relu", width, shift, modulus: width },
];
const GATES = [
  relu(48, 24),
  relu(48, 16),
  relu(48, 0),
  relu(40, 20),
  relu(40, 16),
  relu(40, 14),
  relu(40, 0),
  relu(32, 10),
  relu(32, 0),
  relu(56, 24),
  relu(62, 24),
  ["truncation, width 48, shift 16", { function: "truncate", width: 48, shift: 16, modulus: 48 }],
];

/** One gate with `sets` times the correlations of `blocks` blocks, at party 0. */
function setUp(gate, blocks, sets) {
  const openedBytes = 16 * gate.openedRows * blocks;
  const selectBytes = 16 * gate.selectRows * blocks;
  const part = gate.blockBytes * blocks;
  const words = 8 * BLOCK * blocks;
  const perSet = part + words + 64;
  const ring = createRing(
    gateSpecBytes(gate) + sets * perSet + part + 4 * words + 3 * (openedBytes + selectBytes) + 8192,
  );
  const random = (bytes) => {
    const at = ring.alloc(bytes);
    for (let done = 0; done < bytes; done += 2 ** 28)
      randomFillSync(ring.u8(at + done, Math.min(2 ** 28, bytes - done)));
    return at;
  };
  const spec = writeGate(ring, gate, 0);
  const [r0, r1, packed] = [random(words), random(words), random(words)];
  const own = Array.from({ length: sets }, () => ({ x: random(words), p0: random(part) }));
  const p1 = ring.alloc(part);
  const drawn = random(openedBytes + selectBytes);
  const [sent, peer] = [ring.alloc(openedBytes), random(openedBytes)];
  const [select, peerSelect] = [ring.alloc(selectBytes), random(selectBytes)];
  const state = ring.alloc(32 * blocks);
  const z = ring.alloc(words);
  const k = ring.exports;
  return {
    own,
    lookUp: ({ x, p0 }) => k.gateOpenLookUp(spec, x, packed, p0, sent, state, BLOCK * blocks),
    fold: ({ p0 }) => k.gateFold(spec, p0, sent, peer, state, select, blocks),
    select: ({ x, p0 }) => k.gateSelect(spec, x, p0, select, peerSelect, z, blocks),
    deal: ({ p0 }) => k.gateDeal(spec, r0, r1, p0, drawn, p1, blocks),
  };
}

function hot(gate) {
  const kernels = setUp(gate, HOT_BLOCKS, 1);
  const each = (kernel) => ((time(() => kernel(kernels.own[0])).best * 1e6) / (BLOCK * HOT_BLOCKS)).toFixed(2);
  return ["lookUp", "fold", "select", "deal"].map((name) => each(kernels[name]));
}

/** One gate after the other, each on correlations that nobody has touched for long. */
function cold(gate) {
  const sets = Math.ceil(COLD_BYTES / (gate.blockBytes * COLD_BLOCKS));
  const kernels = setUp(gate, COLD_BLOCKS, sets);
  const names = ["lookUp", "fold", "select"];
  const best = names.map(() => Infinity);
  for (let round = 0; round < ROUNDS; round++) {
    const took = names.map(() => 0);
    for (const own of kernels.own)
      names.forEach((name, i) => {
        const started = performance.now();
        kernels[name](own);
        took[i] += performance.now() - started;
      });
    took.forEach((ms, i) => (best[i] = Math.min(best[i], (ms * 1e6) / (sets * BLOCK * COLD_BLOCKS))));
  }
  return best.map((ns) => ns.toFixed(2));
}

/** Rows of the table: nanoseconds per element, one party's work, best of the batches. The kernels' time does not depend on the values. */
export const measureGates = (tableGate) =>
  GATES.map(([name, parameters]) => {
    const gate = tableGate({ kind: "table", ...parameters });
    return [name, ...hot(gate), ...cold(gate)];
  });
