import progress from "cli-progress";

/** A progress bar on a terminal; elsewhere one line at the end. Say how much is done in `show`, from 0 to `total`. */
export function startProgress(name, total, unit) {
  const out = process.stderr;
  const bar =
    out.isTTY &&
    new progress.SingleBar(
      { format: `${name} [{bar}] {value} of {total} ${unit}, {eta_formatted} left`, stream: out, hideCursor: true },
      progress.Presets.rect,
    );
  if (bar) bar.start(total, 0);
  return {
    show: (done) => void (bar && bar.update(Math.min(total, done))),
    end(done) {
      if (bar) {
        bar.setTotal(done);
        bar.update(done);
        bar.stop();
      } else out.write(`${name}: ${done} ${unit}\n`);
    },
  };
}
