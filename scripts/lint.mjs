// Lints every project through nx, which gives the module boundaries their project graph, and checks the formatting.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./dependencies.mjs";

const bin = (name) => join(root, "node_modules", ".bin", name);
const env = { ...process.env, NX_DAEMON: "false", NX_TUI: "false", CI: "true" };
const lint = spawnSync(bin("nx"), ["run-many", "-t", "lint", "--parallel=2", "--outputStyle=static"], {
  cwd: root,
  stdio: "inherit",
  env,
});
const format = spawnSync(bin("prettier"), ["--check", "--log-level=warn", "."], { cwd: root, stdio: "inherit" });
process.exit(lint.status === 0 && format.status === 0 ? 0 : 1);
