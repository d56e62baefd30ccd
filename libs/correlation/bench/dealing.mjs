import { randomBytes } from "node:crypto";
import { Dealing, ExpandedPart, deriveBatch } from "../dist/index.js";

const ROUNDS = 7;
const CASES = [40, 48].flatMap((width) =>
  [8192, 65_536].flatMap((count) => [false, true].map((dense) => ({ width, count, dense }))),
);

/** A ReLU, alone or behind a dense layer of a single input. */
const planOf = ({ width, count, dense }) => {
  const tensor = (size) => ({ shape: [size], scale: 0, modulus: width });
  const shape = { kind: "dense", inFeatures: 1, outFeatures: count };
  return {
    format: "parley.plan.v1",
    layout: 1,
    input: { tensor: 0, schema: { lo: 0, hi: 1 } },
    tensors: [tensor(1), tensor(count), tensor(count)],
    steps: [
      dense && {
        op: "linear",
        name: "dense",
        input: 0,
        output: 1,
        shape,
        weightScale: 0,
        weightBits: 16,
        width,
        bias: false,
      },
      { op: "relu", name: "relu", gate: "table", input: 1, output: 2, width, shift: 16, share: "offline" },
    ].filter(Boolean),
    output: { tensor: 2, policy: { kind: "logits" }, width, scale: 0, factor: 1, head: "none" },
    maxRecords: 1,
  };
};

const bytes = (count) => new Uint8Array(randomBytes(count));
const keys = () =>
  deriveBatch(bytes(32), {
    maskId: bytes(32),
    planDigest: bytes(32),
    batchId: bytes(16),
    records: 1,
    org0: bytes(32),
    org1: bytes(32),
  });

/** Milliseconds of one core that a run takes, all threads together: the best of some. */
async function best(run) {
  let least = Infinity;
  for (let round = -3; round < ROUNDS; round++) {
    const started = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(started);
    if (round >= 0) least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

/** Rows of the table: the whole path of the dealer, from a batch's keys to chunks. */
export async function measureDealing() {
  const rows = [];
  for (const tested of CASES) {
    const { width, count, dense } = tested;
    const dealing = new Dealing(planOf(tested), bytes(32), bytes(32));
    const batches = Array.from({ length: Math.ceil(2 ** 19 / count) }, keys);
    let sent = 0;
    const ms = await best(async () => {
      sent = 0;
      for (const batch of batches) for await (const chunk of dealing.corrections(batch, 1)) sent += chunk.length;
    });
    dealing.destroy();
    rows.push([
      `${dense ? "dense layer and " : ""}ReLU, width ${width}, shift 16, ${count} elements`,
      ((count * batches.length) / ms / 1000).toFixed(1),
      (sent / batches.length / count).toFixed(1),
    ]);
  }
  return rows;
}

/** Rows of the table: what a party derives from its key. */
export async function measureDerivation() {
  const rows = [];
  for (const size of [64 * 1024, 1024 * 1024, 8 * 1024 * 1024]) {
    const target = new Uint8Array(size);
    const parts = Math.ceil(2 ** 25 / size);
    const ms = await best(() => {
      const part = new ExpandedPart({ key: bytes(32) });
      for (let i = 0; i < parts; i++) part.own(0, target);
      part.close();
    });
    rows.push([`pieces of ${size / 1024} KiB`, ((size * parts) / ms / 1e6).toFixed(2)]);
  }
  return rows;
}
