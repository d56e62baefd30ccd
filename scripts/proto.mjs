// Lints the protos and generates libs/proto/src/gen and libs/model/src/gen. With --check: fails where the committed code is not what would be generated.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./dependencies.mjs";

const buf = join(root, "node_modules/.bin/buf");
const run = (command, args, cwd) => {
  const done = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (done.status !== 0) process.exit(done.status ?? 1);
};

run(buf, ["lint"], join(root, "proto"));
for (const folder of ["proto", "libs/model"]) run(buf, ["generate"], join(root, folder));
if (process.argv.includes("--check")) {
  const changed = spawnSync("git", ["status", "--porcelain", "--", "libs/proto/src/gen", "libs/model/src/gen"], {
    cwd: root,
    encoding: "utf8",
  }).stdout;
  if (changed) {
    console.error(`Generated code is not current; run "npm run proto" and commit:\n${changed}`);
    process.exit(1);
  }
}
