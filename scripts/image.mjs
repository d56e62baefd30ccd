// Builds the container image of all services with docker, podman or buildah, and writes its SBOM beside it.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compile } from "./compile.mjs";
import { root } from "./dependencies.mjs";
import { stage } from "./image/staging.mjs";

const { version, description, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const USAGE = `Usage: npm run image -- [options]

Builds the image of all services. Its command is "parley <service>". Needs docker, podman or buildah, and the package registry.

  --tag REF       name of the image (default parley:${version})
  --base REF      base image with Node 24 (default: the Containerfile's)
  --engine NAME   docker, podman or buildah (default: the first that is there)
  --sbom FILE     where the software bill of materials goes, CycloneDX (default build/parley-${version}.cdx.json)
  --help          this text`;
const { values: options } = read();
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const engine = options.engine ?? ["docker", "podman", "buildah"].find(isThere);
if (!engine) {
  console.error("docker, podman or buildah is needed to build the image; install one");
  process.exit(1);
}
compile();
const context = mkdtempSync(join(tmpdir(), "parley-image-"));
chmodSync(context, 0o755);
try {
  console.error("collecting compiled code and production dependencies ...");
  const sbom = stage(context);
  mkdirSync(join(root, "build"), { recursive: true });
  const sbomFile = options.sbom ?? join(root, `build/parley-${version}.cdx.json`);
  writeFileSync(sbomFile, sbom);
  const labels = {
    title: "parley",
    description,
    version,
    licenses: license,
    revision: git("rev-parse", "HEAD"),
    created: git("show", "-s", "--format=%cI", "HEAD"),
  };
  console.error(`${engine} builds ${options.tag} ...`);
  const args = [
    engine === "buildah" ? "bud" : "build",
    ...["--tag", options.tag, "--file", join(root, "Containerfile")],
    ...(options.base ? ["--build-arg", `BASE=${options.base}`] : []),
    ...Object.entries(labels).flatMap(([key, value]) => ["--label", `org.opencontainers.image.${key}=${value}`]),
    context,
  ];
  if (spawnSync(engine, args, { stdio: ["ignore", 2, 2] }).status !== 0)
    throw new Error(`${engine} did not build the image; its messages are above`);
  console.log(`${options.tag}\n${sbomFile}`);
} catch (error) {
  fail(error.message);
} finally {
  rmSync(context, { recursive: true, force: true });
}

function read() {
  try {
    return parseArgs({
      options: {
        tag: { type: "string", default: `parley:${version}` },
        base: { type: "string" },
        engine: { type: "string" },
        sbom: { type: "string" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    return process.exit(2);
  }
}

/** Installed, and for docker with a daemon that answers. */
function isThere(command) {
  return spawnSync(command, ["version"], { stdio: "ignore" }).status === 0;
}

function git(...args) {
  return spawnSync("git", args, { cwd: root, encoding: "utf8" }).stdout?.trim() ?? "";
}

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}
