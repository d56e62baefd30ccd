// Which installed packages the image's own packages load. npm leaves optional parts of what it leaves out.
import { existsSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Folders of a lock's packages that `roots` need, by what they declare for production.
 * @param packages the lock's `packages`: folder to description
 * @param roots folders of workspaces
 */
export function neededBy(packages, roots) {
  const needed = new Set();
  const visit = (folder) => {
    if (needed.has(folder)) return;
    needed.add(folder);
    const { link, resolved, dependencies, optionalDependencies, peerDependencies } = packages[folder];
    if (link) return visit(resolved);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const found = resolve(packages, folder, name);
      if (found !== undefined) visit(found);
    }
  };
  roots.forEach(visit);
  return needed;
}

/** As Node looks a name up: in each `node_modules` from the package upwards. */
function resolve(packages, from, name) {
  for (let folder = from; ; folder = dirname(folder) === "." ? "" : dirname(folder)) {
    const candidate = [folder, "node_modules", name].filter(Boolean).join("/");
    if (candidate in packages) return candidate;
    if (folder === "") return undefined;
  }
}

/** Removes installed packages of the lock that are not needed. @returns their folders */
export function removeOthers(app, packages, needed) {
  const others = Object.keys(packages).filter(
    (folder) => folder.includes("node_modules/") && !needed.has(folder) && existsSync(join(app, folder)),
  );
  for (const folder of others) {
    rmSync(join(app, folder), { recursive: true, force: true });
    const scope = dirname(join(app, folder));
    if (existsSync(scope) && readdirSync(scope).length === 0) rmdirSync(scope);
  }
  return others;
}
