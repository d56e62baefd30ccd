import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** What the image has behind its command; each says here which one it is, and with which arguments it was called. */
const MAINS = [
  ...["identity", "registry", "agreements", "scheduler", "dealer", "access-point", "worker", "setup"].map(
    (name) => `services/${name}/dist/main.js`,
  ),
  "services/setup/dist/self-test/main.js",
  "libs/cli/dist/main.js",
];

let app: string;
beforeAll(() => {
  app = mkdtempSync(join(tmpdir(), "parley-image-"));
  mkdirSync(join(app, "bin"));
  writeFileSync(join(app, "package.json"), '{"type":"module"}');
  cpSync(fileURLToPath(new URL("parley.mjs", import.meta.url)), join(app, "bin/parley.mjs"));
  for (const main of MAINS) {
    mkdirSync(dirname(join(app, main)), { recursive: true });
    writeFileSync(join(app, main), `console.log(JSON.stringify(["${main}", ...process.argv.slice(2)]));`);
  }
});
afterAll(() => rmSync(app, { recursive: true }));

const parley = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(app, "bin/parley.mjs"), ...args], {
    encoding: "utf8",
  });
  return { status, called: stdout && (JSON.parse(stdout) as string[]), stderr };
};

describe("the image's command", () => {
  it.each([
    [["identity"], ["services/identity/dist/main.js"]],
    [["worker"], ["services/worker/dist/main.js"]],
    [["access-point"], ["services/access-point/dist/main.js"]],
    [
      ["setup", "router", "--release", "router"],
      ["services/setup/dist/main.js", "router", "--release", "router"],
    ],
    [
      ["self-test", "--json"],
      ["services/setup/dist/self-test/main.js", "--json"],
    ],
    [
      ["org", "show", "identity"],
      ["libs/cli/dist/main.js", "org", "show", "identity"],
    ],
    [["--version"], ["libs/cli/dist/main.js", "--version"]],
    [["toString"], ["libs/cli/dist/main.js", "toString"]],
  ])("%j runs %j", (args, called) => {
    expect(parley(...args)).toMatchObject({ status: 0, called });
  });

  it("says how it is used where nothing is asked for", () => {
    const { status, stderr } = parley();
    expect(status).toBe(2);
    expect(stderr).toMatch(/^Usage: parley <identity\|.*\|worker\|setup>/);
  });
});
