import { createLogger } from "@parley/service-kit";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { TestAccessPoint } from "./testing/fixture.js";

const logger = createLogger("test", "silent");
const keyFile = () => {
  const folder = mkdtempSync(join(tmpdir(), "parley-admin-key-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "api-key");
};
const writeKey = (file: string) => {
  const key = randomBytes(32).toString("base64");
  writeFileSync(file, `${key}\n`);
  return key;
};

it("takes the administrator's key from its file, writes none, and takes another one at the next start", async () => {
  const file = keyFile();
  const first = writeKey(file);
  const a = new TestAccessPoint("clinic-a", logger, { PARLEY_ADMIN_KEY_FILE: file });
  await a.start();
  expect((await a.as(first).whoAmI({})).roles).toEqual(["admin"]);
  expect(existsSync(join(a.folder, "admin-key"))).toBe(false);
  await a.stop();
  await a.start();
  await a.stop();
  const second = writeKey(file);
  await a.start();
  expect((await a.as(second).whoAmI({})).roles).toEqual(["admin"]);
  await expect(a.as(first).whoAmI({})).rejects.toMatchObject({ reason: "API_KEY_REFUSED" });
  const { entries } = await a.member.listAudit({ subject: "", page: { limit: 100, token: "" } });
  expect(entries.filter(({ action }) => action === "key.created")).toHaveLength(2); // none where it is the same
  expect(JSON.stringify(entries.map(({ details }) => String(details)))).not.toContain(second);
  await a.stop();
  a.remove();
});

it.each([
  ["is missing", undefined],
  ["holds a key that could be guessed", "password"],
  ["holds a text", "this is not one word, however long it may be"],
])("does not start where the file %s", async (_, content) => {
  const file = keyFile();
  if (content !== undefined) writeFileSync(file, content);
  const a = new TestAccessPoint("clinic-a", logger, { PARLEY_ADMIN_KEY_FILE: file });
  await expect(a.start()).rejects.toMatchObject({ reason: "ADMIN_KEY_FILE" });
  a.remove();
});
