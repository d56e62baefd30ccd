const line = (cells, widths) =>
  cells
    .map((cell, i) => String(cell).padEnd(widths[i]))
    .join("  ")
    .trimEnd();

function table(header, rows) {
  const widths = header.map((h, i) => Math.max(h.length, ...rows.map((row) => String(row[i]).length)));
  return [
    line(header, widths),
    line(
      widths.map((w) => "-".repeat(w)),
      widths,
    ),
    ...rows.map((row) => line(row, widths)),
  ].join("\n");
}

const ms = ({ median, p95 }) => `${median} (${p95})`;

export function report(networks, holdings, ok) {
  console.log(`\nMilliseconds: median (95th percentile). Messages and bytes: per image, online.\n`);
  console.log(
    table(
      [
        "network",
        "correct",
        "labels equal",
        "logits equal",
        "max probability difference",
        "online",
        "offline",
        "submit to result",
        "messages",
        "bytes B to A / A to B",
      ],
      networks.map((n) => [
        n.name,
        `${n.correct} of ${n.images}`,
        n.labelsEqual ? "all" : "NO",
        n.logitsEqual ? "all" : "NO",
        n.maxProbabilityDifference.toExponential(1),
        ms(n.onlineMs),
        ms(n.offlineMs),
        ms(n.submitToResultMs),
        n.messages,
        `${n.bytes.p1ToP0} / ${n.bytes.p0ToP1}`,
      ]),
    ),
  );
  console.log(`\nWho held what, found by searching everything that each operator's processes stored and logged:\n`);
  const word = (h, kind) => (h[kind] ? "held" : h.may.includes(kind) ? "its own; erased after each job" : "never");
  console.log(
    table(
      ["operator", "weights of the model", "images in the clear", "as it must be"],
      holdings.map((h) => [h.name, word(h, "weights"), word(h, "images"), h.ok ? "yes" : "NO"]),
    ),
  );
  console.log(
    ok
      ? "\nEvery private result equals the plaintext fixed-point result, bit for bit.\n"
      : "\nSomething did not match; see above.\n",
  );
}
