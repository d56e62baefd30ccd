// Writes generated files, or says which of them are not what they should be.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const textOf = (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);

/** Files in `folders` that nobody generates. */
const strays = (files, folders) =>
  folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !files.has(path));

/** @returns paths that are missing, differ or are too many */
export const drift = (files, folders) => [
  ...[...files].filter(([path, text]) => textOf(path) !== text).map(([path]) => path),
  ...strays(files, folders),
];

export function writeAll(files, folders) {
  for (const path of strays(files, folders)) rmSync(path);
  for (const [path, text] of files) {
    if (textOf(path) === text) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}
