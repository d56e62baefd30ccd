import { SingleBar } from "cli-progress";

export interface Progress {
  update(done: number, total: number, note?: string): void;
  stop(): void;
}

/** A bar on a terminal's standard error; nothing elsewhere or under --json. */
export function progress(title: string, quiet = false): Progress {
  if (quiet || !process.stderr.isTTY) return { update: () => {}, stop: () => {} };
  const bar = new SingleBar({
    format: `${title} {bar} {value}/{total} {note}`,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false, // it would swallow Ctrl-C
    stream: process.stderr,
  });
  let started = false;
  return {
    update(done, total, note = "") {
      if (!started) bar.start(total, done, { note });
      started = true;
      bar.setTotal(total);
      bar.update(done, { note });
    },
    stop: () => bar.stop(),
  };
}
