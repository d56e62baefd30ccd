// Writes the kernels that sum products of limbs (docs/decisions/0012), one pair for each way to cut the operands: addresses
// are a pointer and a constant, sums are named, nothing is decided in a loop. Run by `npm run wasm`.
import { mkdirSync, writeFileSync } from "node:fs";

/**
 * `sums`: pairs of a weight's and an input's limb ("s": the weight's limbs 0 + 1) whose products go into one sum. `wide`: sums that count beyond 32 bits,
 * of two steps at once ("pair") or of each step less one ("one", for limbs that may all be -32768).
 */
const KINDS = [
  { name: "Short32", rows: 4, sums: { lo: ["00"], mid: ["01"] } },
  { name: "Short40", rows: 2, sums: { lo: ["00"], mid: ["01"], top: ["02"] } },
  { name: "Short48", rows: 2, sums: { lo: ["00"], mid: ["01"], top: ["02"] }, wide: { lo: "pair" } },
  {
    name: "Short62",
    rows: 2,
    sums: { lo: ["00"], mid: ["01"], top: ["02"], tip: ["03"] },
    wide: { lo: "pair", mid: "pair" },
  },
  { name: "Full32", rows: 2, sums: { lo: ["00"], mid: ["01", "10"] } },
  { name: "Full40", rows: 2, sums: { lo: ["00"], mid: ["s2"], top: ["03", "20"], tip: ["11"] } },
  { name: "Full48", rows: 2, sums: { lo: ["00"], mid: ["01", "10"], top: ["02", "11", "20"] }, wide: { lo: "one" } },
];
/** Steps of a turn of the loop: more than needed cost registers. */
const turn = (kind) => (count(kind, 0) > 1 ? 1 : 2);

const list = (n) => Array.from({ length: n }, (_, i) => i);
const plus = (base, offset) => (offset ? `${base}, ${offset}` : base);
const count = (kind, place) =>
  1 +
  Math.max(
    ...Object.values(kind.sums)
      .flat()
      .map((term) => Number(term[place]) || 0),
  );
const zero = "v128.splat<i32>(0)";

/** Products of one step with all rows. */
function step(kind, conv, u) {
  const [weights, inputs] = [count(kind, 0), count(kind, 1)];
  const lines = conv ? [`const at${u} = x + load<u32>(${plus("table", 4 * u)});`] : [];
  const x = (l) => `x${u}${l}`;
  const loadX = (l) =>
    conv
      ? `v128.load(at${u}${["", " + plane", " + plane2", " + plane3"][l]})`
      : `v128.load(${plus("x", 16 * (u * inputs + l))})`;
  const w = (r, l) => `w${u}${r}${l}`;
  const loadW = (r, l) => {
    const place = (u * kind.rows + r) * weights + l;
    return conv ? `v128.load32_splat(${plus("w", 4 * place)})` : `v128.load(${plus("w", 16 * place)})`;
  };
  const known = new Set();
  const once = (name, value) => {
    if (!known.has(name)) lines.push(`const ${name} = ${value};`);
    known.add(name);
    return name;
  };
  const weight = (r, l) =>
    l === "s" ? `v128.add<i16>(${weight(r, 0)}, ${weight(r, 1)})` : once(w(r, l), loadW(r, Number(l)));
  const term = (sum, [a, b], r) => {
    const product = `v128.dot<i16>(${weight(r, a)}, ${once(x(b), loadX(Number(b)))})`;
    const wide = kind.wide?.[sum];
    const into = (name, value) => lines.push(`${name}${r} = v128.add<i32>(${name}${r}, ${value});`);
    if (!wide) return into(sum, product);
    const p = `${sum}p${u}${r}`;
    const before = `${sum}p${u - 1}${r}`;
    if (wide === "one") lines.push(`const ${p} = v128.add<i32>(${product}, v128.splat<i32>(-1));`);
    else lines.push(`const ${p} = ${u % 2 ? `v128.add<i32>(${before}, ${product})` : product};`);
    if (wide === "pair" && u % 2 === 0) return;
    into(sum, p);
    into(`${sum}h`, `v128.shr<i32>(${p}, 16)`);
  };
  const terms = Object.entries(kind.sums).flatMap(([sum, all]) => all.map((t) => [sum, t]));
  // One weight limb: an input's limb meets all rows, then the next. Several: a weight's limb meets all inputs'.
  if (weights === 1) for (const [sum, t] of terms) for (const r of list(kind.rows)) term(sum, t, r);
  else
    for (const r of list(kind.rows))
      for (const l of "01s2") for (const [sum, t] of terms) if (t[0] === l) term(sum, t, r);
  return lines;
}

function tile(kind, conv) {
  const { name, rows, sums, wide = {} } = kind;
  const [weights, inputs] = [count(kind, 0), count(kind, 1)];
  const names = Object.keys(sums).flatMap((sum) => (wide[sum] ? [sum, `${sum}h`] : [sum]));
  const start = (sum) => (wide[sum] === "one" ? "v128.splat<i32>(steps)" : zero);
  const words = (r, upper) => `words${name}(${[upper, ...names.map((sum) => `${sum}${r}`)].join(", ")})`;
  return [
    ...list(rows).flatMap((r) => names.map((sum) => `let ${sum}${r} = ${start(sum)};`)),
    `for (let left = steps; left > 0; left -= ${turn(kind)}) {`,
    ...list(turn(kind)).flatMap((u) => step(kind, conv, u)),
    `w += ${turn(kind) * rows * weights * (conv ? 4 : 16)};`,
    conv ? `table += ${4 * turn(kind)};` : `x += ${turn(kind) * inputs * 16};`,
    "}",
    ...list(rows).flatMap((r) => {
      const add = conv
        ? `store4(y + ${r} * yRow, valid, ${words(r, false)}, ${words(r, true)});`
        : `store1(y + ${8 * r}, ${words(r, false)}, ${words(r, true)});`;
      return r === 0 ? add : `if (rows > ${r}) ${add}`;
    }),
  ];
}

const fn = (name, parameters, lines) => [`export function ${name}(${parameters}): void {`, ...lines, "}", ""];

const dense = (kind) =>
  fn(
    `rows${kind.name}`,
    "yFirst: usize, yRecord: usize, wFirst: usize, panel: usize, count: i32, xFirst: usize, xRecord: usize, records: i32, steps: i32",
    [
      `for (let rows = count; rows > 0; rows -= ${kind.rows}) {`,
      "for (let n: i32 = 0; n < records; n++) {",
      "const y = yFirst + usize(n) * yRecord;",
      "let x = xFirst + usize(n) * xRecord;",
      "let w = wFirst;",
      ...tile(kind, false),
      "}",
      `yFirst += ${8 * kind.rows};`,
      "wFirst += panel;",
      "}",
    ],
  );

const conv = (kind) =>
  fn(
    `tiles${kind.name}`,
    "yFirst: usize, outH: i32, outW: i32, wFirst: usize, panel: usize, count: i32, xFirst: usize, xRow: usize, tableFirst: usize, plane: usize, steps: i32",
    [
      "const yRow = usize(outH * outW) << 3;",
      "const plane2 = <usize>2 * plane;",
      "const plane3 = <usize>3 * plane;",
      `for (let rows = count; rows > 0; rows -= ${kind.rows}) {`,
      "for (let row: i32 = 0; row < outH; row++) {",
      "for (let column: i32 = 0; column < outW; column += 4) {",
      "const valid = outW - column;",
      "const y = yFirst + (usize(row * outW + column) << 3);",
      "const x = xFirst + usize(row) * xRow + (usize(column) << 2);",
      "let w = wFirst;",
      "let table = tableFirst;",
      ...tile(kind, true),
      "}",
      "}",
      `yFirst += ${kind.rows} * yRow;`,
      "wFirst += panel;",
      "}",
    ],
  );

const source = [
  `import { store1, store4, ${KINDS.map((kind) => `words${kind.name}`).join(", ")} } from "../assembly/linear-sums";`,
  "",
  ...KINDS.flatMap((kind) => [...dense(kind), ...conv(kind)]),
];
const out = new URL("../build/", import.meta.url);
mkdirSync(out, { recursive: true });
writeFileSync(new URL("linear-kernels.ts", out), source.join("\n"));
