// docs/benchmarks.md and its pictures as a whole.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../dependencies.mjs";
import { latencyPlot, throughputPlot, timePlot } from "./plots.mjs";
import { DESCRIPTIONS, PEERS, PUBLISHED, PUBLISHED_WAN } from "./published.mjs";
import { shownMachine } from "./machine.mjs";
import { METHOD } from "./method.mjs";
import { grid, latency, megabytes, short, submissions, telemetryTable, traffic, work } from "./tables.mjs";
import { otherTargets, targetTable } from "./targets.mjs";
import { KINDS, shares } from "./time-shares.mjs";

/** Writes everything; the figures must be those of a whole run. */
export function writeDocument(figures) {
  const folder = join(root, "docs/benchmarks");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "latency.svg"), latencyPlot(figures.results));
  writeFileSync(join(folder, "throughput.svg"), throughputPlot(figures.results));
  writeFileSync(join(folder, "where-the-time-goes.svg"), timePlot(figures.results));
  writeFileSync(join(folder, "figures.json"), `${JSON.stringify(figures)}\n`);
  writeFileSync(join(root, "docs/benchmarks.md"), document(figures));
}

const assembled = ({ parts }) =>
  parts
    ? `
The figures are those of ${parts.length} runs of it with chosen options, of ${parts.map(({ date }) => date).join(", ")}; each line is of one run.
`
    : "";

/** docs/submit-to-result.md without its title, its sections one level down. */
const wayOfAJob = () =>
  readFileSync(join(root, "docs/submit-to-result.md"), "utf8")
    .replace(/^# .*\n/, "")
    .replace(/^## /gm, "### ")
    .trim();

const seconds = (entry) =>
  entry ? `${short(entry[0] / 1000)} s${entry[1] === undefined ? "" : `, ${entry[1]} MB`}` : "";

function beside(results, link, systems, header) {
  const names = ["A", "B", "C", "D"];
  const own = names.map((name) => results.find((r) => r.network === name && r.batch === 1 && r.link === link));
  const row = (r) =>
    r ? `**${short(r.onlineMs.median / 1000)} s, ${megabytes(r.bytes.p1ToP0 + r.bytes.p0ToP1)} MB**` : "";
  return grid(
    [header, ...names, "setting"],
    [
      [
        "**Parley, this run: online, median**",
        ...own.map(row),
        link === "wan" ? "one machine, 20 ms one way" : "one machine, loopback",
      ],
      ...systems.map((s) => [s.system, ...names.map((name) => seconds(s[name])), s.setting]),
    ],
  );
}

function peers(results) {
  const names = ["A", "B", "C", "D"];
  const of = (name, batch) => results.find((r) => r.network === name && r.batch === batch && r.link === "loopback");
  const own = (read) =>
    [1, 32].flatMap((batch) => names.map((name) => (of(name, batch) ? `**${short(read(of(name, batch)))}**` : "")));
  return grid(
    ["ms for the whole batch", ...names, ...names.map((name) => `${name}, 32`)],
    [
      ["**Parley, online**", ...own((r) => r.onlineMs.median)],
      ["**Parley, offline included, steady state**", ...own((r) => r.allWorkMs)],
      ...PEERS.map((s) => [
        s.system,
        ...names.map((n) => (s[n] ? short(s[n][0]) : "")),
        ...names.map((n) => short(s[`${n}32`])),
      ]),
    ],
  );
}

const parts = (results) =>
  grid(
    ["network", ...KINDS.map(({ name }) => `${name}, us`), "online median, us"],
    results.map((r) => [
      r.network,
      ...KINDS.map(({ key }) => short(shares(r)[key] * 1000)),
      short(r.onlineMs.median * 1000),
    ]),
  );

const telemetrySection = ({ telemetry }) =>
  telemetry
    ? `## With all telemetry on

Traces of every job, metrics and logs, exported to a receiver on the same machine, and the Prometheus endpoint, against none of it: two sets of
processes that take turns in blocks of four. Milliseconds: median / 95th / 99th percentile. In brackets, between what the growth lies with
95 % (pairs of blocks drawn again and again). In the first line, off means without the clock of
the steps too; in the second, \`parley job trace\` goes on.

${telemetryTable(telemetry)}

`
    : "";

function document(figures) {
  const { machine, results, submitToResultMs } = figures;
  const on = (link) => results.filter((r) => r.link === link);
  return `# Benchmarks

Measured by the command below, which writes this file and its pictures as a whole; do not edit them.

\`\`\`sh
npm run bench
\`\`\`
${assembled(figures)}
${grid(["", ""], shownMachine(machine))}

![Latency of one private prediction, against published and measured systems](benchmarks/latency.svg)

## Targets

Medians at batch 1 on loopback, both workers and the dealer on the same ${machine.cores} cores. A missed one says by how much.

${targetTable(results)}

${otherTargets(figures)}

## Latency

Milliseconds of a batch, median / 95th / 99th percentile. Online: from the moment when the input and \`bound\` are in clinic B's worker to the
moment when the result is there. Every result was compared with the plaintext fixed-point result, bit for bit.

${latency(on("loopback"))}

Over a link of 0.1 ms one way and 5 Gbit/s:

${latency(on("lan"))}

Over a link of 20 ms one way and 350 Mbit/s:

${latency(on("wan"))}

## Where the time goes

![Where the time of one online run goes](benchmarks/where-the-time-goes.svg)

${parts(results.filter((r) => r.kernelMs))}

## Work and throughput

![Throughput against batch size](benchmarks/throughput.svg)

${work(on("loopback"))}

## Messages and bytes

${traffic(on("loopback"))}

## From submit to result

A warm system of all services, from \`job.submit()\` in the SDK to \`job.result\`: PostgreSQL and Redis with its append-only file, both with
fsync. Milliseconds: median / 95th / 99th percentile, after 200 jobs that warm up. \`PARLEY_CONCURRENCY\` is 16, \`PARLEY_ATTEMPTS\` 32, and the
agreement allows 64 prepared sessions, so that nothing waits for a place.

${submissions(submitToResultMs)}

${wayOfAJob()}

${telemetrySection(figures)}## Beside other systems

Measured on a machine of this kind (2 cores, loopback, two party processes, the dealer as a third where there is one, no TLS):
milliseconds, medians. These systems deal while they run, so compare with "offline included" where not said otherwise.

${peers(results)}

What the authors of other systems published, on their machines and networks: seconds for one prediction, megabytes of online traffic. These are no
measurements of ours, and settings differ: most have two or three machines on a local network, some include the offline phase.

${beside(results, "loopback", PUBLISHED, "system (as published)")}

On wide area networks:

${beside(results, "wan", PUBLISHED_WAN, "system (as published)")}

${METHOD}
## Networks

${Object.entries(DESCRIPTIONS)
  .map(([name, what]) => `- **${name}**: ${what}.`)
  .join("\n")}
`;
}
