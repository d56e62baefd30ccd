import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { followLogLevel } from "./log-level.js";
import { createLogger } from "./logger.js";

const folder = mkdtempSync(join(tmpdir(), "parley-level-"));
const ends: (() => void)[] = [];
afterEach(() => ends.splice(0).forEach((end) => end()));

function follow(env: Record<string, string> = {}) {
  const lines: string[] = [];
  const logger = createLogger("test", "info", { write: (line) => lines.push(line) });
  ends.push(followLogLevel(logger, env, 20));
  return { logger, lines };
}

describe("log level", () => {
  it("switches to debug and back at SIGUSR2", async () => {
    const { logger, lines } = follow();
    process.kill(process.pid, "SIGUSR2");
    await vi.waitFor(() => expect(logger.level).toBe("debug"));
    expect(lines.at(-1)).toContain("log level changed");
    process.kill(process.pid, "SIGUSR2");
    await vi.waitFor(() => expect(logger.level).toBe("info"));
  });

  it("follows a file, also where it is a link that is replaced, and ignores what is no level", async () => {
    const file = join(folder, "level");
    const link = (level: string) => {
      writeFileSync(join(folder, `in-${level}`), `${level}\n`);
      symlinkSync(join(folder, `in-${level}`), join(folder, "next"));
      renameSync(join(folder, "next"), file);
    };
    link("warn");
    const { logger } = follow({ PARLEY_LOG_LEVEL_FILE: file });
    expect(logger.level).toBe("warn");
    link("debug");
    await vi.waitFor(() => expect(logger.level).toBe("debug"), 5_000);
    link("nonsense");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(logger.level).toBe("debug");
    rmSync(file);
    await vi.waitFor(() => expect(logger.level).toBe("info"), 5_000);
  });
});
