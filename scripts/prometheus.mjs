// Finds Prometheus and promtool, or brings them without root: on Debian and its relatives the package is unpacked into
// node_modules/.cache. Only tests of dashboards and alerts need them.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cache } from "./dependencies.mjs";

const home = join(cache, "prometheus");
const paths = () => (process.env.PATH ?? "").split(delimiter);
const works = (folder) =>
  ["prometheus", "promtool"].every(
    (name) => spawnSync(join(folder, name), ["--version"], { stdio: "ignore" }).status === 0,
  );

/** Folder with `prometheus` and `promtool`, or undefined where there is none and none can be brought. */
export function bringPrometheus() {
  const known = [process.env.PARLEY_PROMETHEUS, ...paths(), join(home, "usr/bin")];
  const found = known.find((folder) => folder && existsSync(join(folder, "prometheus")) && works(folder));
  return found ?? fromDebian();
}

function fromDebian() {
  if (!paths().some((dir) => existsSync(join(dir, "apt-get")))) return undefined;
  console.error("Bringing Prometheus for tests (unpacked into node_modules/.cache, nothing is installed) ...");
  for (const dir of ["lists/partial", "archives/partial"]) mkdirSync(join(home, dir), { recursive: true });
  const settings = [`Dir::State::lists=${home}/lists`, `Dir::Cache=${home}`, "APT::Sandbox::User=root"];
  const own = [...settings, "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache="].flatMap((one) => ["-o", one]);
  const run = (command, ...args) => execFileSync(command, args, { cwd: home, stdio: ["ignore", "ignore", 2] });
  try {
    run("apt-get", ...own, "-qq", "update");
    run("apt-get", ...own, "-qq", "download", "prometheus");
    for (const file of readdirSync(home)) if (file.endsWith(".deb")) run("dpkg", "-x", join(home, file), home);
  } catch {
    return undefined;
  }
  const folder = join(home, "usr/bin");
  return works(folder) ? folder : undefined;
}
