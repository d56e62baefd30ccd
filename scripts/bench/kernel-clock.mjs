// Times every call of a WebAssembly kernel, while it is started. Imported before the engine: each instance made after that
// is wrapped. A call costs some 0.1 us more, so latencies are never measured in a process that imports this.
import { kindOf } from "./kernel-kinds.mjs";

let running = false;
let runs = 0;
const totals = { linear: 0, lookUp: 0, fold: 0, select: 0, copy: 0 };

const RealInstance = WebAssembly.Instance;
WebAssembly.Instance = function (module, imports) {
  const { exports } = new RealInstance(module, imports);
  return { exports: Object.fromEntries(Object.entries(exports).map(([name, value]) => [name, timed(name, value)])) };
};

function timed(name, value) {
  const kind = kindOf(name);
  if (typeof value !== "function" || !kind) return value;
  return (...args) => {
    if (!running) return value(...args);
    const started = performance.now();
    const result = value(...args);
    totals[kind] += performance.now() - started;
    return result;
  };
}

/** The online phase of a run begins. */
export function start() {
  running = true;
}

export function stop() {
  running = false;
  runs++;
}

/** Milliseconds per run by kind since the last call, and how many runs. */
export function take() {
  const perRun = Object.fromEntries(Object.entries(totals).map(([kind, ms]) => [kind, ms / Math.max(1, runs)]));
  const result = { runs, ...perRun };
  runs = 0;
  for (const kind of Object.keys(totals)) totals[kind] = 0;
  return result;
}
