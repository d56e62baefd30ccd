// Builds what changed: the WebAssembly kernels, then all packages (tsc -b is incremental).
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { root } from "./dependencies.mjs";

const bin = (name) => join(root, "node_modules", ".bin", name);

function run(command, args, what) {
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (done.status !== 0) {
    console.error(`${what} failed; its messages are above.`);
    process.exit(1);
  }
}

const newest = (folder) =>
  Math.max(...readdirSync(folder, { recursive: true }).map((f) => statSync(join(folder, f)).mtimeMs));

export function compileKernels() {
  const wasm = join(root, "libs/ring/build/ring.wasm");
  if (existsSync(wasm) && statSync(wasm).mtimeMs > newest(join(root, "libs/ring/assembly"))) return;
  mkdirSync(join(root, "libs/ring/build"), { recursive: true });
  run("npm", ["run", "wasm", "-w", "libs/ring"], "Building the WebAssembly kernels");
}

/** @param packages folders of what is needed, with all that it needs; by default everything */
export function compile(packages = []) {
  compileKernels();
  run(bin("tsc"), ["-b", ...packages], "Compiling");
}
