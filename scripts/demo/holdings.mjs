// Looks into everything that each operator's processes stored and logged, and says whose secrets are in it.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const OPERATORS = [
  { name: "clinic-a (model owner)", folders: ["clinic-a"], logs: /^clinic-a/, may: ["weights"] },
  { name: "clinic-b (data owner)", folders: ["clinic-b"], logs: /^clinic-b/, may: ["images"] },
  {
    name: "router",
    folders: ["identity", "registry", "agreements", "scheduler", "redis"],
    logs: /^(identity|registry|agreements|scheduler|redis)/,
    may: [],
  },
  { name: "dealer", folders: ["dealer"], logs: /^dealer/, may: [] },
];

/** A stretch of a secret that is long and varied enough not to occur by chance. */
function excerpts(secret) {
  const found = [];
  for (let at = 0; at + 48 <= secret.length && found.length < 8; at += 16) {
    const piece = secret.subarray(at, at + 48);
    if (new Set(piece).size >= 12) {
      found.push(piece, Buffer.from(piece.toString("hex")), Buffer.from(piece.toString("base64").slice(0, 60)));
      at += 512;
    }
  }
  return found;
}

function files(folder) {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile())
      .map((e) => readFileSync(join(e.parentPath, e.name)));
  } catch {
    return [];
  }
}

export function whoHeldWhat(system, evidence) {
  const secrets = {
    weights: evidence.flatMap((e) => [...excerpts(e.weights), ...excerpts(e.encodedWeights)]),
    images: evidence.flatMap((e) => excerpts(e.input)),
  };
  return OPERATORS.map(({ name, folders, logs, may }) => {
    const stored = folders.flatMap((folder) => files(join(system.folder, folder)));
    const logged = readdirSync(system.logs)
      .filter((f) => logs.test(f))
      .map((f) => readFileSync(join(system.logs, f)));
    const has = (kind) => [...stored, ...logged].some((file) => secrets[kind].some((piece) => file.includes(piece)));
    const row = { name, weights: has("weights"), images: has("images") };
    // Images are nobody's any more: clinic-b has erased them when their job had ended.
    return { ...row, may, ok: !row.images && (!row.weights || may.includes("weights")) };
  });
}
