import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

const require = createRequire(import.meta.url);
const version = (name) => {
  try {
    return require(`${name}/package.json`).version;
  } catch {
    return "unknown";
  }
};

/** What the figures depend on. `load`: runnable tasks before the benchmark started; on a quiet machine near 0. */
export function describeMachine() {
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    grpc: version("@grpc/grpc-js"),
    onnxRuntime: version("onnxruntime-node"),
    date: `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
    load: Math.round(loadavg()[0] * 100) / 100,
  };
  return machine;
}

/** The same for people. */
export const shownMachine = (m) => [
  ["date", m.date],
  ["processor", `${m.cpu}, ${m.cores} cores available`],
  ["memory", `${m.memoryGiB} GiB`],
  ["system", m.system],
  ["Node, grpc-js, ONNX Runtime", `${m.node}, ${m.grpc}, ${m.onnxRuntime}`],
  ["database of the dealer", m.dealerDatabase],
  ["load before the start", `${m.load} runnable tasks`],
];
