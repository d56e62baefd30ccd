// The pictures of docs/benchmarks.md.
import { PEERS, PUBLISHED } from "./published.mjs";
import { decades, dot, line, logScale, picture, spanOf, tag, text } from "./svg.mjs";
import { short } from "./tables.mjs";
import { KINDS, shares } from "./time-shares.mjs";

const OURS = "#0b6e4f";
const MEASURED = "#c2570c";
const OTHERS = "#7d8597";
const WIDTH = 860;
const LEFT = 290;
const ROW = 20;

/** Latency of one prediction on a logarithmic scale, network by network: published, measured peers, this run. */
export function latencyPlot(results) {
  const networks = ["A", "B", "C", "D"].filter((name) => results.some((r) => r.network === name));
  const groups = networks.map((name) => ({ name, rows: rowsOf(name, results) }));
  const span = spanOf(groups.flatMap(({ rows }) => rows.map((r) => r.ms)));
  const x = logScale(...span, LEFT, WIDTH - 60);
  const parts = [];
  let y = 64;
  for (const { name, rows } of groups) {
    const bottom = y + 26 + rows.length * ROW;
    for (const tick of decades(...span)) parts.push(line(x(tick), y + 12, x(tick), bottom - 6));
    parts.push(text(16, y + 6, `Network ${name}`, { weight: "bold", size: 14 }));
    rows.forEach((row, i) => {
      const at = y + 26 + i * ROW;
      const style = { fill: row.fill, weight: row.fill === OURS ? "bold" : "normal" };
      parts.push(text(LEFT - 14, at + 4, row.system, { ...style, anchor: "end" }));
      parts.push(dot(x(row.ms), at, row.published ? "#fff" : row.fill, row.fill));
      parts.push(text(x(row.ms) + 9, at + 4, `${short(row.ms)} ms`, { ...style, size: 11 }));
    });
    y = bottom + 12;
  }
  for (const tick of decades(...span))
    parts.push(text(x(tick), y + 4, `${short(tick)} ms`, { anchor: "middle", size: 11 }));
  const legend = [
    [dot(24, 40, OURS), "Parley, this run, batch 1"],
    [dot(224, 40, MEASURED), "measured on a machine of this kind, without TLS"],
    [dot(564, 40, "#fff", OTHERS), "as published, on the authors' machines"],
  ];
  return picture(
    WIDTH,
    y + 20,
    "Latency of one private prediction",
    text(16, 22, "Latency of one private prediction (logarithmic)", { size: 16, weight: "bold" }),
    legend.map(([mark, what], i) => [mark, text([34, 234, 574][i], 44, what)]),
    parts,
  );
}

function rowsOf(name, results) {
  const own = results.find((r) => r.network === name && r.batch === 1 && r.link === "loopback");
  const pick = (list, fill, published) =>
    list.filter((s) => s[name]).map((s) => ({ system: s.system, ms: s[name][0], fill, published }));
  return [
    { system: "Parley, online", ms: own.onlineMs.median, fill: OURS },
    { system: "Parley, offline included", ms: own.allWorkMs, fill: OURS },
    ...[...pick(PEERS, MEASURED), ...pick(PUBLISHED, OTHERS, true)].sort((a, b) => a.ms - b.ms),
  ];
}

const COLOURS = ["#0b6e4f", "#c2570c", "#2f4b9b", "#a3195b", "#8a6d00", "#3f8ea8", "#6b3fa0", "#5c5c5c"];
const PANEL = { width: 330, height: 320, top: 76 };

/** Records per second against the batch size: online alone, and with the offline phase. */
export function throughputPlot(results) {
  const all = results.filter((r) => r.link === "loopback");
  const names = [...new Set(all.map((r) => r.network))].filter(
    (name) => !["M1", "diabetes", "liver", "thyroid"].includes(name),
  );
  const batches = [...new Set(all.map((r) => r.batch))].sort((a, b) => a - b);
  const span = spanOf(all.flatMap((r) => Object.values(r.recordsPerSecond)));
  const panels = [
    ["online", "online alone"],
    ["sustained", "offline included, steady state"],
  ].map(([key, title], i) => {
    const left = 70 + i * (PANEL.width + 80);
    const x = logScale(batches[0], batches.at(-1) * 1.0001, left, left + PANEL.width - 70);
    const y = logScale(...span, PANEL.top + PANEL.height, PANEL.top);
    const ends = [];
    return [
      text(left, PANEL.top - 14, title, { weight: "bold" }),
      decades(...span).map((tick) => [
        line(left, y(tick), left + PANEL.width - 70, y(tick)),
        text(left - 8, y(tick) + 4, tick >= 1000 ? `${tick / 1000}k` : tick, { anchor: "end", size: 11 }),
      ]),
      batches.map((batch) => text(x(batch), PANEL.top + PANEL.height + 18, batch, { anchor: "middle", size: 11 })),
      names.map((name, k) => {
        const points = batches.flatMap((batch) => {
          const r = all.find((one) => one.network === name && one.batch === batch);
          return r ? [[x(batch), y(r.recordsPerSecond[key])]] : [];
        });
        const fill = COLOURS[k % COLOURS.length];
        ends.push({ name, fill, at: points.at(-1) });
        return [
          tag("polyline", {
            points: points.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "),
            fill: "none",
            stroke: fill,
            "stroke-width": 2,
          }),
          points.map(([cx, cy]) => dot(cx, cy, fill)),
        ];
      }),
      spread(ends).map(({ name, fill, at, y: shown }) =>
        text(at[0] + 10, shown + 4, name, { fill, weight: "bold", size: 11 }),
      ),
    ];
  });
  return picture(
    WIDTH,
    PANEL.top + PANEL.height + 50,
    "Throughput against batch size",
    text(16, 26, "Records per second against records per batch (logarithmic)", { size: 16, weight: "bold" }),
    panels,
    text(WIDTH / 2, PANEL.top + PANEL.height + 40, "records per batch", { anchor: "middle" }),
  );
}

/** Labels at the ends of lines, moved apart where they would overlap. */
function spread(ends) {
  const sorted = ends.sort((a, b) => a.at[1] - b.at[1]);
  let last = -Infinity;
  return sorted.map((end) => ({ ...end, y: (last = Math.max(end.at[1], last + 13)) }));
}

/** Where the time of one online run goes. */
export function timePlot(results) {
  const rows = results.filter((r) => r.kernelMs);
  const [left, right, top] = [130, WIDTH - 110, 84];
  const bars = rows.map((r, i) => {
    const parts = shares(r);
    const total = KINDS.reduce((sum, { key }) => sum + parts[key], 0);
    let at = left;
    const y = top + i * 30;
    const pieces = KINDS.map(({ key, fill }) => {
      const width = ((right - left) * parts[key]) / total;
      at += width;
      return tag("rect", { x: at - width, y, width, height: 20, fill });
    });
    return [
      text(left - 12, y + 14, r.network, { anchor: "end", weight: "bold" }),
      pieces,
      text(right + 10, y + 14, `${short(r.onlineMs.median)} ms`),
    ];
  });
  const legend = KINDS.map(({ name, fill }, i) => [
    tag("rect", { x: left + i * 104 - 40, y: 46, width: 12, height: 12, fill }),
    text(left + i * 104 - 23, 56, name),
  ]);
  return picture(
    WIDTH,
    top + rows.length * 30 + 16,
    "Where the time of one online run goes",
    text(16, 26, "Where the time of one online run goes (batch 1, loopback, median in full width)", {
      size: 16,
      weight: "bold",
    }),
    legend,
    bars,
  );
}
