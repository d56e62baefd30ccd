import { createAuthority } from "@parley/agreement";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { freshFolder } from "../testing/databases.js";
import { mountSecret } from "../testing/mounted-secret.js";
import { followBundle } from "./bundle-file.js";

const EVERY_MS = 20;

it("notices that a mounted Secret was replaced, and keeps what it had where the new one cannot be read", async () => {
  const [first, second] = await Promise.all([createAuthority({ org: "router" }), createAuthority({ org: "router" })]);
  const folder = freshFolder();
  mountSecret(folder, "v1", { "ca.crt": first.certificatePem });
  const changed = vi.fn();
  const bundle = followBundle(join(folder, "ca.crt"), changed, EVERY_MS);
  expect(bundle.current).toEqual([Buffer.from(first.certificateDer)]);
  mountSecret(folder, "v2", { "ca.crt": "no certificate" });
  await new Promise((resolve) => setTimeout(resolve, 3 * EVERY_MS));
  expect(bundle.current).toEqual([Buffer.from(first.certificateDer)]);
  mountSecret(folder, "v3", { "ca.crt": `${first.certificatePem}${second.certificatePem}` });
  await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(1), 5_000);
  expect(bundle.current).toEqual([first, second].map(({ certificateDer }) => Buffer.from(certificateDer)));
  bundle.close();
});
