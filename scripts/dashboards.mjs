// Writes deploy/helm/dashboards from scripts/dashboards; with --check it says whether they are current.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { dealer } from "./dashboards/dealer.mjs";
import { jobs } from "./dashboards/jobs.mjs";
import { organisation } from "./dashboards/organisation.mjs";
import { service } from "./dashboards/service.mjs";
import { sessions } from "./dashboards/sessions.mjs";
import prettier from "prettier";
import { root } from "./dependencies.mjs";

const folder = join(root, "deploy/helm/dashboards");
export const DASHBOARDS = { service, jobs, sessions, dealer, organisation };

/** @returns the files' text by path */
export async function dashboardFiles() {
  const files = new Map();
  for (const [name, made] of Object.entries(DASHBOARDS)) {
    const path = join(folder, `${name}.json`);
    const options = { ...(await prettier.resolveConfig(path)), parser: "json" };
    files.set(path, await prettier.format(JSON.stringify(made), options));
  }
  return files;
}

/** Names of files that are missing, differ or should not be there. */
export async function outdated() {
  const files = await dashboardFiles();
  const wrong = [...files].filter(([path, text]) => !existsSync(path) || readFileSync(path, "utf8") !== text);
  const extra = existsSync(folder) ? readdirSync(folder).filter((name) => !files.has(join(folder, name))) : [];
  return [...wrong.map(([path]) => basename(path)), ...extra];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  if (!process.argv.includes("--check")) {
    mkdirSync(folder, { recursive: true });
    for (const [path, text] of await dashboardFiles()) writeFileSync(path, text);
  } else {
    const wrong = await outdated();
    if (wrong.length > 0) {
      console.error(`not current: ${wrong.join(", ")}; run \`node scripts/dashboards.mjs\``);
      process.exit(1);
    }
  }
}
