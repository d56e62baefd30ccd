import { readFileSync } from "node:fs";
import type { Logger } from "./logger.js";

const LEVELS = ["debug", "info", "warn", "error"];
/** How often the file is read, milliseconds. Read, not watched: a mounted ConfigMap changes by a link. */
const LOOK_MS = 2_000;

/**
 * Changes the level while the process runs: SIGUSR2 switches between `debug` and the configured level; the file of
 * PARLEY_LOG_LEVEL_FILE holds the configured level, and counts more than PARLEY_LOG_LEVEL while it holds one.
 * Returns how to end it.
 */
export function followLogLevel(logger: Logger, env: NodeJS.ProcessEnv = process.env, lookMs = LOOK_MS): () => void {
  const initial = logger.level;
  let configured = initial;
  const change = (level: string, why: string) => {
    if (level === logger.level) return;
    logger.level = level;
    logger.info({ level, why }, "log level changed");
  };
  const onSignal = () => change(logger.level === "debug" ? configured : "debug", "SIGUSR2");
  process.on("SIGUSR2", onSignal);

  const file = env.PARLEY_LOG_LEVEL_FILE;
  let last: string | undefined;
  const read = () => {
    const text = file ? contentOf(file) : "";
    if (text === last) return;
    last = text;
    if (text && !LEVELS.includes(text))
      return logger.warn({ allowed: LEVELS.join() }, "PARLEY_LOG_LEVEL_FILE holds no level, and changes nothing");
    configured = text || initial;
    change(configured, "PARLEY_LOG_LEVEL_FILE");
  };
  if (file) read();
  const timer = file ? setInterval(read, lookMs).unref() : undefined;
  return () => {
    process.off("SIGUSR2", onSignal);
    clearInterval(timer);
  };
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim().toLowerCase();
  } catch {
    return "";
  }
}
