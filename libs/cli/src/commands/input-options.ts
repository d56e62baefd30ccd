import type { PublishOptions } from "@parley/sdk";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { UsageError } from "../usage-error.js";

/** Options of `asset publish`. */
export interface PublishFlags {
  readonly name: string;
  readonly inputRange?: string;
  readonly schema?: string;
  readonly description?: string;
  readonly private?: boolean;
}

const bound = z.union([z.number(), z.array(z.number()).min(1)]);
const schemaFile = z.strictObject({
  lo: bound,
  hi: bound,
  names: z.array(z.string()).optional(),
  labels: z.array(z.string()).optional(),
});

/** What --input-range or --schema say of the inputs. @throws UsageError */
export function inputOptions({ inputRange, schema }: PublishFlags): Pick<PublishOptions, "inputSchema" | "labels"> {
  if (inputRange && schema) throw new UsageError("give --input-range or --schema, not both");
  if (inputRange) {
    const [lo, hi, ...rest] = inputRange.split(",").map((text) => (text.trim() ? Number(text) : Number.NaN));
    if (!Number.isFinite(hi - lo) || !(lo < hi) || rest.length)
      throw new UsageError(
        `--input-range ${inputRange} is not a range`,
        "Give it as LO,HI with LO below HI, e.g. 0,1.",
      );
    return { inputSchema: { lo, hi } };
  }
  if (!schema) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(schema, "utf8"));
  } catch {
    throw new UsageError(
      `the schema ${schema} cannot be read as JSON`,
      'It looks like {"lo": 0, "hi": 1, "names": [..], "labels": [..]}.',
    );
  }
  const checked = schemaFile.safeParse(parsed);
  if (!checked.success)
    throw new UsageError(
      `the schema ${schema}: ${checked.error.issues[0].path.join(".")} ${checked.error.issues[0].message}`,
    );
  const { labels, ...inputSchema } = checked.data;
  return { inputSchema, labels };
}
