#!/usr/bin/env node
// Entry of every npm script. Runs on Node 20 or newer with nothing installed: brings the dependencies (Node 24 among them),
// builds what changed, and goes on under Node 24 in scripts/<command>.mjs.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { bringDependencies, findNode24, root } from "./dependencies.mjs";

const COMMANDS = ["demo", "start", "test", "bench", "build", "lint", "proto", "cluster-demo", "cluster-test", "image"];

const [command, ...args] = process.argv.slice(2);
if (!COMMANDS.includes(command)) {
  console.error(`usage: node scripts/run.mjs ${COMMANDS.join("|")} [options]`);
  process.exit(2);
}
if (Number(process.versions.node.split(".")[0]) < 20) {
  console.error(
    `Parley needs Node 20 or newer to start; this is ${process.version}. Install a newer one from nodejs.org.`,
  );
  process.exit(1);
}

try {
  bringDependencies();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
const node = findNode24();
const file = join(root, "scripts", `${command}.mjs`);
if (!existsSync(file)) throw new Error(`scripts/${command}.mjs is missing`);
const bin = join(root, "node_modules", ".bin");
const child = spawn(node, [file, ...args], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
});
// A terminal sends Ctrl-C to the whole group; a signal to this process alone is handed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
