// What the engine must reach on loopback at batch 1, and whether this run did.
import { PEERS } from "./published.mjs";
import { grid, short } from "./tables.mjs";

const NETWORKS = ["A", "B", "C", "D", "C1"];
const TARGETS = [
  ["online, ms", [0.15, 0.6, 1.0, 1.8, 12], (r) => r.onlineMs.median],
  ["ratio to the floor", [1.3, 2, 2, 2.5, 3], (r) => r.ratioToFloor],
  ["online payload both ways, MB", [0.009, 0.16, 0.23, 0.48, 3.0], (r) => (r.bytes.p1ToP0 + r.bytes.p0ToP1) / 1e6],
  ["all work of one inference, ms", [0.6, 2, 3.5, 7, 60], (r) => r.allWorkMs],
];
/** Asking for the figure, keepalives and timers cost this much. */
const IDLE_MS = 5;
/** Three digits, as they are shown: 0.00905 MB is not more than 0.009 by what anyone means. */
const within = (value, target, factor = 1.005) => value <= target * factor;
const against = (value, target) =>
  within(value, target)
    ? `**${short(value)}**, at most ${target}: reached`
    : `**${short(value)}**, at most ${target}: ${short(value / target)} times that`;

/** The rows that hold for single networks. */
export function targetTable(results) {
  const of = (name) => results.find((r) => r.network === name && r.batch === 1 && r.link === "loopback");
  return grid(
    ["", ...NETWORKS],
    TARGETS.map(([what, targets, read]) => [
      what,
      ...NETWORKS.map((name, i) => (of(name) ? against(read(of(name)), targets[i]) : "not measured")),
    ]),
  );
}

/** The ones that stand alone. */
export function otherTargets({ results, submitToResultMs, dealer, telemetry }) {
  const of = (name, batch) => results.find((r) => r.network === name && r.batch === batch && r.link === "loopback");
  const rows = [];
  const add = (what, value, target, reached) => rows.push([what, target, value, reached ? "reached" : "missed"]);
  const faster = ["A", "B", "C", "D"].flatMap((name) => {
    const best = Math.min(...PEERS.flatMap((peer) => peer[name]?.[0] ?? []));
    return of(name, 1) ? [{ name, times: best / of(name, 1).onlineMs.median }] : [];
  });
  if (faster.length)
    add(
      "online against the best measured peer, dealing included there",
      faster.map(({ name, times }) => `${name}: ${short(times)}`).join(", "),
      "at least 20 times faster",
      faster.every(({ times }) => times >= 20),
    );
  const [one, many] = [of("C", 1), of("C", 128)];
  if (one && many) {
    const ratio = many.onlineMs.median / one.onlineMs.median;
    add("online time of C, batch 128 against batch 1", `${short(ratio)} times`, "at most 40 times", ratio <= 40);
  }
  if (dealer) {
    const rate = Math.min(...dealer.map((d) => d.perSecond)) / 1e6;
    add(
      "ReLU correlations of the dealer, per second and core",
      `${short(rate)} million`,
      "at least 20 million",
      rate >= 20,
    );
  }
  const idle = of("A", 1)?.idleCpuMsPerSecond;
  if (idle) {
    const most = Math.max(idle.p0, idle.p1);
    add("CPU of an idle worker with open streams", `${short(most)} ms a second`, "nothing", most < IDLE_MS);
  }
  const { A: submit } = submitToResultMs;
  if (submit) {
    add("submit to result, A, median", `${short(submit.median)} ms`, "at most 10 ms", submit.median <= 10);
    const { jobsPerSecond } = submit.inFlight;
    add("jobs per second, A, 16 in flight", short(jobsPerSecond), "at least 200", jobsPerSecond >= 200);
  }
  const grown = (what, figures, most) => {
    if (figures)
      add(
        `${what} with all telemetry on, A, median`,
        `${figures.growthPercent.toFixed(1)} %`,
        `less than ${most} % more`,
        figures.growthPercent < most,
      );
  };
  grown("online", telemetry?.online, 5);
  grown("submit to result", telemetry?.submit, 10);
  return grid(["", "target", "measured", ""], rows);
}
