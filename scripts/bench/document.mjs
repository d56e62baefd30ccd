// docs/benchmarks.md as a whole, and its table of figures for the terminal.
import { NETWORKS, PUBLISHED, PUBLISHED_HEADER } from "./published.mjs";

const row = (cells) => `| ${cells.join(" | ")} |`;
/** A Markdown table, columns padded to the width of their cells. */
export function grid(header, rows) {
  const widths = header.map((h, i) => Math.max(3, ...[h, ...rows.map((r) => r[i])].map((c) => String(c).length)));
  const pad = (cells) => row(cells.map((cell, i) => String(cell).padEnd(widths[i])));
  return [pad(header), row(widths.map((w) => "-".repeat(w))), ...rows.map(pad)].join("\n");
}

const three = ({ median, p95, p99 }) => [median, p95, p99].map((v) => v.toFixed(2)).join(" / ");
const thousands = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

/** The measured figures. */
export const table = (results) =>
  grid(
    ["network", "online ms", "bind ms", "offline ms", "submit to result ms", "ONNX Runtime ms", "runs", "all equal"],
    results.map((r) => [
      r.network,
      three(r.onlineMs),
      three(r.bindMs),
      three(r.offlineMs.p1),
      three(r.submitToResultMs),
      three(r.plaintextMs),
      r.runs,
      r.equal ? "yes" : "NO",
    ]),
  );

const traffic = (results) =>
  grid(
    ["network", "one-way messages", "bytes B to A", "bytes A to B", "as the plan declares", "found a prepared session"],
    results.map((r) => [
      r.network,
      r.messages,
      thousands(r.bytes.p1ToP0),
      thousands(r.bytes.p0ToP1),
      r.asDeclared ? "yes" : "NO",
      `${r.foundPrepared} of ${r.runs}`,
    ]),
  );

const beside = (results) => [
  "**Parley, this run: online, median**",
  ...["A", "B", "C"].map((name) => {
    const r = results.find((one) => one.network === name);
    const megabytes = ((r.bytes.p1ToP0 + r.bytes.p0ToP1) / 1e6).toFixed(3);
    return `**${(r.onlineMs.median / 1000).toFixed(5)} s, ${megabytes} MB**`;
  }),
  "one machine, loopback",
];

export const document = (machine, results, warmUp) => `# Benchmarks

A first measurement. This file is written as a whole by the command below; do not edit it.

\`\`\`sh
npm run bench -- --runs ${results[0].runs}
\`\`\`

${grid(
  ["", ""],
  [
    ["date", machine.date],
    ["processor", `${machine.cpu}, ${machine.cores} cores available`],
    ["memory", `${machine.memoryGiB} GiB`],
    ["system", machine.system],
    ["Node", machine.node],
    ["load before the start", `${machine.load} runnable tasks`],
  ],
)}

## One image at a time

Milliseconds: median / 95th / 99th percentile of ${results[0].runs} runs, after ${warmUp} runs that warm up. Every result was compared
with the plaintext fixed-point result, bit for bit.

${table(results)}

- **online**: from the moment when the input and \`bound\` are in clinic B's worker to the moment when the result is there.
- **bind**: from sending the ticket to clinic A's worker to its \`bound\`; both organisations write it down durably in this time.
- **offline**: preparing a session ahead, as clinic B's worker sees it: connection and TLS handshake, a batch from the dealer, its
  corrections, clinic B's first shares. It passes before the job is submitted.
- **submit to result**: from \`job.submit()\` in the SDK to \`job.result\`, through the access point, the scheduler's queue and the worker.
- **ONNX Runtime**: the same image through the original model in floating point in one process, on one thread.

${traffic(results)}

Bytes are payloads of the online steps; frames, gRPC, HTTP/2 and TLS come on top.

## How it is measured

Redis, identity, registry, agreements, scheduler, dealer, and for each of two organisations an access point and a worker run as
separate processes on this one machine and talk gRPC with mutual TLS over loopback. Router and dealer use embedded databases, Redis its
append-only file. One job holds one image; the next is submitted when the one before has ended. Each run takes a session that was prepared
before: between two jobs the benchmark waits until the access point's stock of prepared sessions is full again. How many measured
runs were bound to a batch prepared before their submission is read from the audit logs of both organisations afterwards, and is the
last column above.

Networks (examples/mnist, trained): ${NETWORKS.map(([name, what]) => `${name}: ${what}`).join(". ")}.

## What is not tuned yet

- The linear kernels multiply 32-bit weights by ring elements in two halves; 16-bit limbs modulo 2^48, and convolutions without a copy of the patches, are faster.
- Correlations are read cold: nothing fetches them into the cache ahead of their use.
- A session costs a connection with its TLS handshake and four durable writes before it is prepared; nobody has taken out what need not be there.
- A layer is computed as a whole before its first byte leaves.
- Every width is one for the whole plan, also where a layer would do with less.
- Submitting and binding write to several databases one after the other; nobody has counted these writes yet.
- The floor (the same messages without computation) is not measured beside it, nor are batches, throughput, memory, or slower links.

## Beside other systems

What the authors of other systems published, on their machines and networks: seconds for one prediction, megabytes of traffic. These are
no measurements of ours, and settings differ: most have two or three machines on a local network, some include the offline phase.

${grid(PUBLISHED_HEADER, [beside(results), ...PUBLISHED])}

## Kernels

\`npm run bench -- --micro\` measures the kernels alone, in one process; \`npm run bench -- --quick\` checks results, messages and bytes
with three runs of each network.
`;
