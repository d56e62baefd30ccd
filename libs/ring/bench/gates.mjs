import { randomFillSync } from "node:crypto";
import { createRing, gateSpecBytes, writeGate } from "../dist/index.js";
import { time } from "./time.mjs";

const BLOCK = 128;
const BLOCKS = 16;
const GATES = [
  ["ReLU, width 48, shift 24", { function: "relu", width: 48, shift: 24, modulus: 48 }],
  ["ReLU, width 48, shift 16", { function: "relu", width: 48, shift: 16, modulus: 48 }],
  ["maximum, width 48", { function: "relu", width: 48, shift: 0, modulus: 48 }],
  ["ReLU, width 32, shift 10", { function: "relu", width: 32, shift: 10, modulus: 32 }],
  ["maximum, width 32", { function: "relu", width: 32, shift: 0, modulus: 32 }],
  ["truncation, width 48, shift 16", { function: "truncate", width: 48, shift: 16, modulus: 48 }],
];

/** Rows of the table: nanoseconds per element, one party's work, best of the batches. The kernels' time does not depend on the values. */
export const measureGates = (tableGate) =>
  GATES.map(([name, parameters]) => {
    const gate = tableGate({ kind: "table", ...parameters });
    const openedBytes = 16 * gate.openedRows * BLOCKS;
    const selectBytes = 16 * gate.selectRows * BLOCKS;
    const part = gate.blockBytes * BLOCKS;
    const words = 8 * BLOCK * BLOCKS;
    const ring = createRing(gateSpecBytes(gate) + 2 * part + 4 * words + 3 * (openedBytes + selectBytes) + 8192);
    const random = (bytes) => {
      const at = ring.alloc(bytes);
      randomFillSync(ring.u8(at, bytes));
      return at;
    };
    const spec = writeGate(ring, gate, 0);
    const [x, r0, r1] = [random(words), random(words), random(words)];
    const [p0, p1] = [random(part), ring.alloc(part)];
    const drawn = random(openedBytes + selectBytes);
    const [sent, peer] = [ring.alloc(openedBytes), random(openedBytes)];
    const [select, peerSelect] = [ring.alloc(selectBytes), random(selectBytes)];
    const state = ring.alloc(32 * BLOCKS);
    const z = ring.alloc(words);
    const k = ring.exports;
    const each = (call) => ((time(call).best * 1e6) / (BLOCK * BLOCKS)).toFixed(2);
    return [
      name,
      each(() => k.gateLookUp(spec, x, p0, sent, state, BLOCKS)),
      each(() => k.gateFold(spec, p0, sent, peer, state, select, BLOCKS)),
      each(() => k.gateSelect(spec, x, p0, select, peerSelect, z, BLOCKS)),
      each(() => k.gateDeal(spec, r0, r1, p0, drawn, p1, BLOCKS)),
    ];
  });
