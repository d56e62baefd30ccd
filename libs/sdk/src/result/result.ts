import { decodeOutput, type Plan } from "@parley/plan";
import { Code, ParleyError } from "@parley/proto";

/** Values of a record that the text shows. */
const SHOWN = 12;

/** What a job revealed. */
export class JobResult {
  private constructor(
    /** What the ONNX model outputs, one row a record, after its Softmax or Sigmoid. */
    readonly values: readonly (readonly number[])[],
    /** The exact integers that the protocol revealed, as decimal strings. */
    readonly logits: readonly (readonly string[])[],
    /** Fractional bits of the logits. */
    readonly scale: number,
    /** Class of each record: the name where the model has names, else the index; for a single sigmoid output 0 or 1. */
    readonly labels: readonly (string | number)[],
  ) {}

  /** From little-endian 64-bit integers, record by record. */
  static decode(plan: Plan, bytes: Buffer, records: number): JobResult {
    if (!records || bytes.length % (8 * records))
      throw new ParleyError(Code.DATA_LOSS, "RESULT_DAMAGED", "the result is not whole", "Fetch it again.");
    const integers = new BigInt64Array(bytes.length / 8);
    for (let i = 0; i < integers.length; i++) integers[i] = bytes.readBigInt64LE(8 * i);
    const { values, logits } = decodeOutput(plan, integers);
    return new JobResult(
      values,
      logits,
      plan.output.scale,
      logits.map((row, r) => labelOf(plan, row, values[r])),
    );
  }

  toJSON() {
    return { values: this.values, logits: this.logits, scale: this.scale, labels: this.labels };
  }

  /** One row a record: its number from 1, label, then values. */
  toCsv(): string {
    const header = ["record", "label", ...this.values[0].map((_, i) => `value_${i}`)];
    return `${[header, ...this.values.map((row, r) => [r + 1, this.labels[r], ...row])].map((row) => row.map(cell).join(",")).join("\n")}\n`;
  }

  /** For people: number of the record from 1, label, the first values. */
  toText(): string {
    const width = String(this.values.length).length;
    const line = (row: readonly number[], r: number) => {
      const shown = row.slice(0, SHOWN).map((v) => v.toFixed(4));
      const more = row.length > SHOWN ? `, ... ${row.length} values` : "";
      return `${String(r + 1).padStart(width)}: ${this.labels[r]}  [${shown.join(", ")}${more}]`;
    };
    return `${this.values.map(line).join("\n")}\n`;
  }
}

/** The largest logit, ties to the lowest index; logits are exact, so that no rounding can decide. */
function labelOf(plan: Plan, logits: readonly string[], values: readonly number[]): string | number {
  const names = plan.output.labels;
  if (logits.length === 1) {
    if (plan.output.head !== "sigmoid") return values[0];
    const one = BigInt(logits[0]) >= 0n ? 1 : 0;
    return names?.[one] ?? one;
  }
  let best = 0;
  logits.forEach((logit, i) => (BigInt(logit) > BigInt(logits[best]) ? (best = i) : undefined));
  return names?.[best] ?? best;
}

const cell = (value: string | number) =>
  typeof value === "string" && /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : String(value);
