import { createAuthority } from "@parley/agreement";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { freshFolder } from "../testing/databases.js";
import { followBundle } from "./bundle-file.js";

const EVERY_MS = 20;

/** A folder as a mounted Secret is one: files are links through `..data`, which is replaced as a whole. */
function mount(folder: string, version: string, content: string) {
  mkdirSync(join(folder, version));
  writeFileSync(join(folder, version, "ca.crt"), content);
  symlinkSync(version, join(folder, "..data_tmp"));
  renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
}

it("notices that a mounted Secret was replaced, and keeps what it had where the new one cannot be read", async () => {
  const [first, second] = await Promise.all([createAuthority({ org: "router" }), createAuthority({ org: "router" })]);
  const folder = freshFolder();
  mount(folder, "v1", first.certificatePem);
  symlinkSync("..data/ca.crt", join(folder, "ca.crt"));
  const changed = vi.fn();
  const bundle = followBundle(join(folder, "ca.crt"), changed, EVERY_MS);
  expect(bundle.current).toEqual([Buffer.from(first.certificateDer)]);
  mount(folder, "v2", "no certificate");
  mount(folder, "v3", `${first.certificatePem}${second.certificatePem}`);
  await vi.waitFor(() => expect(changed).toHaveBeenCalled(), 5_000);
  expect(bundle.current).toEqual([first, second].map(({ certificateDer }) => Buffer.from(certificateDer)));
  bundle.close();
});
