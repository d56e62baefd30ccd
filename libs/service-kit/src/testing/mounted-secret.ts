import { mkdirSync, renameSync, symlinkSync, writeFileSync, existsSync } from "node:fs";
import { join } from "node:path";

/** Fills or replaces a folder as a kubelet does with a mounted Secret: files are links through `..data`, which is replaced as a whole. */
export function mountSecret(folder: string, version: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(folder, version));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, version, name), content);
    if (!existsSync(join(folder, "..data"))) symlinkSync(join("..data", name), join(folder, name));
  }
  symlinkSync(version, join(folder, "..data_tmp"));
  renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
}
