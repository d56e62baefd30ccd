// Finds a Redis or Valkey server, or brings one without root: on Debian and its relatives the packages are unpacked into
// node_modules/.cache, elsewhere Homebrew is asked. Nothing is installed on the machine itself.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cache } from "./dependencies.mjs";

const NAMES = ["valkey-server", "redis-server"];
const ADVICE =
  "Parley needs a Redis or Valkey server: install it (Debian: apt-get install redis-server; Fedora: dnf install valkey; macOS: brew install valkey) and run the command again.";

const onPath = (name) =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((dir) => join(dir, name))
    .find((file) => existsSync(file));
const has = (name) => onPath(name) !== undefined;
const works = (file) => spawnSync(file, ["--version"], { stdio: "ignore" }).status === 0;

/** Path of a server that starts. Throws an Error with one line of advice where there is none. */
export function bringRedis() {
  const known = [process.env.PARLEY_REDIS_SERVER, ...NAMES.map(onPath), join(cache, "redis", "redis-server")];
  const found = known.find((file) => file && existsSync(file) && works(file));
  if (found) return found;
  const brought = fromDebian() ?? fromHomebrew();
  if (brought) return brought;
  throw new Error(ADVICE);
}

/** Downloads redis-server and what it needs as .deb files with a package list of our own (no root), and unpacks them. */
function fromDebian() {
  if (!has("apt-get") || !has("dpkg")) return undefined;
  console.error("Bringing a Redis server (unpacked into node_modules/.cache, nothing is installed) ...");
  const home = join(cache, "redis");
  for (const dir of ["lists/partial", "archives/partial", "root"]) mkdirSync(join(home, dir), { recursive: true });
  const own = [
    "-o",
    `Dir::State::lists=${home}/lists`,
    "-o",
    `Dir::Cache=${home}`,
    "-o",
    "APT::Sandbox::User=root",
    "-o",
    "Dir::Cache::pkgcache=",
    "-o",
    "Dir::Cache::srcpkgcache=",
  ];
  try {
    execFileSync("apt-get", [...own, "-qq", "update"], { stdio: ["ignore", "ignore", 2] });
    const plan = execFileSync(
      "apt-get",
      [...own, "-qq", "--print-uris", "-y", "--no-install-recommends", "install", "redis-server"],
      { encoding: "utf8" },
    );
    const packages = [...plan.matchAll(/'[^']+'\s+(\S+?)_\S+\.deb/g)].map((m) => m[1]);
    if (!packages.length) packages.push("redis-server", "redis-tools");
    const folder = mkdtempSync(join(home, "archives/"));
    execFileSync("apt-get", [...own, "-qq", "download", ...packages], { cwd: folder, stdio: ["ignore", "ignore", 2] });
    for (const file of readdirSync(folder))
      if (file.endsWith(".deb")) execFileSync("dpkg", ["-x", join(folder, file), join(home, "root")]);
  } catch {
    return undefined;
  }
  return wrapper(home);
}

function wrapper(home) {
  const tree = join(home, "root");
  const libraries = readdirSync(join(tree, "usr/lib"), { recursive: true, withFileTypes: true })
    .filter((e) => /\.so(\.|$)/.test(e.name))
    .map((e) => e.parentPath);
  let binary = join(tree, "usr/bin/redis-server");
  try {
    binary = join(tree, "usr/bin", readlinkSync(binary).split("/").pop()); // a symbolic link to redis-check-rdb; the name decides the role
  } catch {
    // a plain file
  }
  const file = join(home, "redis-server");
  const path = [...new Set(libraries)].join(":");
  writeFileSync(file, `#!/bin/bash\nexport LD_LIBRARY_PATH="${path}"\nexec -a redis-server "${binary}" "$@"\n`);
  chmodSync(file, 0o755);
  return works(file) ? file : undefined;
}

function fromHomebrew() {
  if (!has("brew")) return undefined;
  console.error("Installing valkey with Homebrew ...");
  spawnSync("brew", ["install", "--quiet", "valkey"], { stdio: ["ignore", 2, 2] });
  return NAMES.map(onPath).find((file) => file && works(file));
}
