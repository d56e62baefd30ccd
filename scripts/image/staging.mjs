// What goes into the image: compiled code and production dependencies, nothing that only building or testing needs.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { root } from "../dependencies.mjs";
import { neededBy, removeOthers } from "./needed.mjs";

/** Packages that no service loads. */
const LEFT_OUT = ["libs/testing"];
const WANTED = ["package.json", "bin", "dist", "build", "migrations"];
/** Types, maps and tests are for developers. */
const NOT_RUN = /\.d\.[cm]?ts$|\.map$|\.tsbuildinfo$|\.spec\.js$|\.[cm]?ts$|(^|\/)(README|CHANGELOG)[^/]*\.md$/i;

const packages = () =>
  ["libs", "services"].flatMap((kind) => readdirSync(join(root, kind)).map((name) => `${kind}/${name}`));

/** Fills `context` for the Containerfile. @returns the SBOM (CycloneDX) of what is in it */
export function stage(context) {
  const app = join(context, "app");
  mkdirSync(join(app, "bin"), { recursive: true });
  for (const file of ["package.json", "package-lock.json", "LICENSE"]) cpSync(join(root, file), join(app, file));
  cpSync(join(root, "scripts/image/parley.mjs"), join(app, "bin/parley.mjs"));
  for (const name of packages())
    for (const part of WANTED)
      if (existsSync(join(root, name, part)) && (part === "package.json" || !LEFT_OUT.includes(name)))
        cpSync(join(root, name, part), join(app, name, part), {
          recursive: true,
          filter: (file) => !NOT_RUN.test(file),
        });
  const wanted = packages().filter((name) => !LEFT_OUT.includes(name));
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  npm(app, ["ci", "--omit=dev", ...wanted.flatMap((name) => ["--workspace", name]), ...quiet]);
  const { packages: locked } = JSON.parse(readFileSync(join(app, "package-lock.json"), "utf8"));
  removeOthers(app, locked, neededBy(locked, wanted));
  const sbom = JSON.parse(npm(app, ["sbom", "--sbom-format", "cyclonedx", "--omit", "dev", "--package-lock-only"]));
  const modules = join(app, "node_modules");
  // The base has Node: the package that brings it to developers stays out.
  for (const name of readdirSync(modules))
    if (/^node(-(linux|darwin|win)-.*)?$/.test(name)) rmSync(join(modules, name), { recursive: true });
  rmSync(join(modules, ".bin"), { recursive: true, force: true });
  for (const name of LEFT_OUT) rmSync(join(app, name), { recursive: true });
  prune(modules);
  mkdirSync(join(context, "bin"));
  symlinkSync("/app/bin/parley.mjs", join(context, "bin/parley"));
  return JSON.stringify(onlyWhatIsIn(app, sbom), undefined, 2);
}

/** The lock knows packages of other platforms too. */
function onlyWhatIsIn(app, sbom) {
  const pathOf = ({ properties = [] }) => properties.find(({ name }) => name === "cdx:npm:package:path")?.value ?? "";
  const components = sbom.components.filter((component) => existsSync(join(app, pathOf(component))));
  const refs = new Set([sbom.metadata.component["bom-ref"], ...components.map((component) => component["bom-ref"])]);
  const dependencies = sbom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));
  return { ...sbom, components, dependencies };
}

function npm(folder, args) {
  const done = spawnSync("npm", args, {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 64 << 20,
    stdio: ["ignore", "pipe", 2],
  });
  if (done.status !== 0) throw new Error(`npm ${args.slice(0, 2).join(" ")} failed in the image's staging folder`);
  return done.stdout;
}

function prune(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && NOT_RUN.test(entry.name)) rmSync(join(entry.parentPath, entry.name));
    else if (entry.isSymbolicLink() && !existsSync(join(entry.parentPath, entry.name)))
      rmSync(join(entry.parentPath, entry.name));
}
