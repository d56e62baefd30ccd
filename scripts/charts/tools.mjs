// Finds helm and kubeconform: on the PATH, among what was built before, else built from pinned sources where there is Go.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { cache } from "../dependencies.mjs";

const run = promisify(execFile);
const MODULES = {
  helm: "helm.sh/helm/v3/cmd/helm@v3.19.5",
  kubeconform: "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
};
const bin = join(cache, "bin");

const onPath = (name) =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));

/** @returns the path of a tool, or `{ why }` where there is none: what a skipped test says */
export async function bringTool(name) {
  const found = () => [onPath(name), join(bin, name)].find((file) => file && existsSync(file));
  const known = found();
  if (known) return { path: known };
  if (!onPath("go")) return { why: `${name} is not on the PATH, and there is no Go to build it with` };
  try {
    await alone(async () => found() ?? (await build(name)));
    return { path: join(bin, name) };
  } catch (error) {
    return {
      why: `${name} is not on the PATH, and go install ${MODULES[name]} failed: ${error.message.split("\n")[0]}`,
    };
  }
}

async function build(name) {
  console.error(`Building ${name} (some minutes, once) ...`);
  const folder = join(bin, `building-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    await run("go", ["install", MODULES[name]], { env: { ...process.env, GOBIN: folder, GOFLAGS: "-mod=mod" } });
    renameSync(join(folder, name), join(bin, name));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One process builds; the others wait for what it makes, as long as it lives. */
async function alone(task) {
  mkdirSync(bin, { recursive: true });
  const lock = join(bin, "lock");
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch {
      if (!isAlive(lock)) rmSync(lock, { force: true });
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  try {
    return await task();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Whether the process that holds a lock is still there; one that has just made it has not written its number yet. */
function isAlive(lock) {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    return pid === 0 || process.kill(pid, 0);
  } catch {
    return false;
  }
}
