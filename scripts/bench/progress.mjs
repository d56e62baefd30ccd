const WIDTH = 30;

/** A progress line on a terminal; elsewhere one line at the end. Returns what is to be told how many are done. */
export function progress(name, total) {
  const out = process.stderr;
  return (done) => {
    const bar = "#".repeat(Math.round((WIDTH * done) / total)).padEnd(WIDTH, ".");
    if (out.isTTY) out.write(`\r${name} [${bar}] ${done} of ${total} runs${done === total ? "\n" : ""}`);
    else if (done === total) out.write(`${name}: ${done} runs\n`);
  };
}
