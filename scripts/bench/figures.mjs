import { readFileSync } from "node:fs";

/** Figures that --json saved; of several files the later ones replace what they measured again. @throws Error that names the file */
export function readFigures(files) {
  const all = files.map((file) => {
    try {
      const figures = JSON.parse(readFileSync(file, "utf8"));
      if (!figures.machine || !Array.isArray(figures.results)) throw new Error("it holds no figures");
      return figures;
    } catch (cause) {
      throw new Error(`${file} cannot be read: ${cause.message}`, { cause });
    }
  });
  if (all.length === 1) return all[0];
  return merge(all);
}

function merge(all) {
  const results = new Map();
  for (const r of all.flatMap((figures) => figures.results)) {
    const key = `${r.network} ${r.batch} ${r.link}`;
    const { kernelMs } = results.get(key) ?? {};
    results.set(key, { ...(kernelMs && { kernelMs }), ...r });
  }
  const telemetry = all.flatMap((figures) => figures.telemetry ?? []);
  return {
    ...Object.assign({}, ...all),
    machine: { ...all[0].machine, ...all.find(({ machine }) => machine.dealerDatabase)?.machine },
    parts: all.flatMap(({ parts, machine }) => parts ?? [{ date: machine.date, load: machine.load }]),
    results: [...results.values()],
    ...(telemetry.length > 0 && { telemetry: Object.assign({}, ...telemetry) }),
    submitToResultMs: Object.assign({}, ...all.map((figures) => figures.submitToResultMs)),
    dealer: all.findLast(({ dealer }) => dealer)?.dealer,
  };
}
