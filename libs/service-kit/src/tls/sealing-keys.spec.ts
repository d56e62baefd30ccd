import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createLogger } from "../telemetry/logger.js";
import { freshFolder } from "../testing/databases.js";
import { readSealingKeys, sealingKey } from "./sealing-keys.js";

describe("key-encryption keys of a service", () => {
  const folder = freshFolder();
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: Uint8Array | string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const logger = createLogger("test", "silent");
  const read = (files: Parameters<typeof readSealingKeys>[0]) =>
    readSealingKeys(files, "PARLEY_THING_KEK_FILE", true, logger);
  const [one, two, three] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte));
  const nowhere = join(folder, "nowhere");

  it("are one as a rule, and up to three while it is replaced", () => {
    const current = file("one", one);
    expect(read({ current, next: nowhere, former: nowhere })).toEqual({ current: sealingKey(one) });
    expect(read({ current, next: file("two", two), former: file("three", three) })).toEqual({
      current: sealingKey(one),
      next: sealingKey(two),
      former: sealingKey(three),
    });
  });

  it("have ids that follow from the key alone, however it is written, and do not show it", () => {
    const { id } = sealingKey(one);
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(one.toString("hex")).not.toContain(id);
    expect(sealingKey(two).id).not.toBe(id);
    expect(read({ current: file("hex", one.toString("hex")) }).current.id).toBe(id);
  });

  it("leave out one that is the present one already", () => {
    const keys = read({ current: file("one", one), next: file("same", one), former: file("again", one) });
    expect(keys).toEqual({ current: sealingKey(one) });
  });

  it("name the variable of a file that holds no key, and make none", () => {
    const current = file("one", one);
    expect(() => read({ current, next: file("short", "x") })).toThrow("PARLEY_THING_KEK_NEXT_FILE has 1 bytes");
    expect(() => read({ current, former: file("empty", "") })).toThrow("PARLEY_THING_KEK_FORMER_FILE has 0 bytes");
    expect(() => read({ current: nowhere })).toThrow("PARLEY_THING_KEK_FILE does not exist");
  });
});
