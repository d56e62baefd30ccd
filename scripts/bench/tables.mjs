// Tables of the figures, for the terminal and for the document.
const row = (cells) => `| ${cells.join(" | ")} |`;

/** A Markdown table, columns padded to the width of their cells. */
export function grid(header, rows) {
  const widths = header.map((h, i) => Math.max(3, ...[h, ...rows.map((r) => r[i])].map((c) => String(c).length)));
  const pad = (cells) => row(cells.map((cell, i) => String(cell).padEnd(widths[i])));
  return [pad(header), row(widths.map((w) => "-".repeat(w))), ...rows.map(pad)].join("\n");
}

/** Three significant digits, no more than needed. */
export const short = (value) =>
  value === undefined
    ? ""
    : value >= 1000
      ? thousands(Math.round(value))
      : String(Number(value.toPrecision(3))).replace(/^(-?)\./, "$10.");
export const thousands = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
export const megabytes = (bytes) => short(bytes / 1e6);
const three = ({ median, p95, p99 }) => [median, p95, p99].map(short).join(" / ");
const yes = (value) => (value ? "yes" : "NO");

/** What a person at a terminal wants to see. */
export function summary({ results, submitToResultMs, telemetry }) {
  const parts = [];
  if (results.length)
    parts.push(
      grid(
        [
          "network",
          "batch",
          "link",
          "online ms",
          "floor ms",
          "ratio",
          "all work ms",
          "offline ms dealer/P0/P1",
          "runs",
          "right",
        ],
        results.map((r) => [
          r.network,
          r.batch,
          r.link,
          three(r.onlineMs),
          short(r.floorMs),
          r.ratioToFloor.toFixed(2),
          short(r.allWorkMs),
          [r.offlineMs.dealer, r.offlineMs.p0, r.offlineMs.p1].map(short).join(" / "),
          r.runs,
          yes(r.equal && r.asDeclared),
        ]),
      ),
    );
  if (Object.keys(submitToResultMs).length) parts.push(submissions(submitToResultMs));
  if (telemetry) parts.push(telemetryTable(telemetry));
  return parts.join("\n\n");
}

/** Online latency beside its floor and the clear. */
export const latency = (results) =>
  grid(
    [
      "network",
      "batch",
      "online ms",
      "bind ms",
      "floor ms: messages + products",
      "ratio",
      "ONNX Runtime ms",
      "runs",
      "all equal",
    ],
    results.map((r) => [
      r.network,
      r.batch,
      three(r.onlineMs),
      short(r.bindMs.median),
      `${short(r.floor.messagesMs)} + ${short(r.floor.productsMs)}`,
      r.ratioToFloor.toFixed(2),
      short(r.plaintextMs),
      r.runs,
      yes(r.equal),
    ]),
  );

/** Messages and bytes of the online phase, and of the dealer. */
export const traffic = (results) =>
  grid(
    [
      "network",
      "batch",
      "messages",
      "bytes P1 to P0",
      "bytes P0 to P1",
      "MB both ways",
      "as the plan declares",
      "dealer MB to P1",
    ],
    results.map((r) => [
      r.network,
      r.batch,
      r.messages,
      thousands(r.bytes.p1ToP0),
      thousands(r.bytes.p0ToP1),
      megabytes(r.bytes.p1ToP0 + r.bytes.p0ToP1),
      yes(r.asDeclared),
      megabytes(r.dealerBytes.p1),
    ]),
  );

/** Work before and around the run. */
export const work = (results) =>
  grid(
    [
      "network",
      "batch",
      "CPU ms dealer / P0 / P1",
      "all work ms",
      "records/s online",
      "records/s sustained",
      "comparisons per dealer second",
      "peak MiB P0 / P1 / dealer",
    ],
    results.map((r) => [
      r.network,
      r.batch,
      [r.offlineMs.dealer, r.offlineMs.p0, r.offlineMs.p1].map(short).join(" / "),
      short(r.allWorkMs),
      short(r.recordsPerSecond.online),
      short(r.recordsPerSecond.sustained),
      `${short(r.correlations.perDealerSecond / 1e6)} million`,
      [r.peakRssMiB.p0, r.peakRssMiB.p1, r.peakRssMiB.dealer].join(" / "),
    ]),
  );

const percent = ({ growthPercent, between: [low, high] }) =>
  `**${growthPercent.toFixed(1)} %** (${low.toFixed(1)} to ${high.toFixed(1)})`;

/** What telemetry costs. */
export const telemetryTable = ({ network, online, submit }) =>
  grid(
    ["", "on, ms", "off, ms", "growth of the median (95 %)", "runs of each", "all equal"],
    [
      [`online latency, ${network}`, online],
      [`submit to result, ${network}`, submit],
    ]
      .filter(([, t]) => t)
      .map(([what, t]) => [what, three(t.on), three(t.off), percent(t), t.runs, yes(t.equal)]),
  );

/** From job.submit() to job.result. */
export const submissions = (submitToResultMs) =>
  grid(
    ["network", "one at a time, ms", "16 in flight, ms", "jobs per second", "all equal"],
    Object.entries(submitToResultMs).map(([name, s]) => [
      name,
      three(s),
      three(s.inFlight),
      short(s.inFlight.jobsPerSecond),
      yes(s.equal),
    ]),
  );
