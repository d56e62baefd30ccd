// The kernels alone, hot, in one process. Run by `npm run bench -- --micro`.
import { measureGates } from "./gates.mjs";
import { measureLinear } from "./linear.mjs";
import { measurePacking } from "./packing.mjs";

/** Prints a table of each kind. @param tableGate makes a gate's layout from its parameters (`@parley/plan`) */
export function measureKernels(tableGate) {
  console.log(`Kernels, hot, one core, Node ${process.version}. Best and median of repeated batches of calls.\n`);
  print(["linear, y += W x", "operand", "records", "GMAC/s best", "median"], measureLinear());
  print(
    ["gate, ns per element", "look-up", "fold", "select", "deal", "cold: look-up", "fold", "select"],
    measureGates(tableGate),
  );
  print(["packing, GiB/s of words", "pack", "unpack"], measurePacking());
}

function print(header, rows) {
  const widths = header.map((h, i) => Math.max(h.length, ...rows.map((row) => String(row[i]).length)));
  const line = (cells) => cells.map((cell, i) => String(cell)[i ? "padStart" : "padEnd"](widths[i])).join("  ");
  console.log([line(header), line(widths.map((w) => "-".repeat(w))), ...rows.map(line), ""].join("\n"));
}
