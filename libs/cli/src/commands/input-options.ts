import { readInputSchema, type PublishOptions } from "@parley/sdk";
import { UsageError } from "../usage-error.js";

/** Options of `asset publish`. */
export interface PublishFlags {
  readonly name: string;
  readonly inputRange?: string;
  readonly schema?: string;
  readonly description?: string;
  readonly private?: boolean;
  readonly uniformWidth?: boolean;
}

/** What --input-range or --schema say of the inputs. @throws UsageError; ParleyError where the file is wrong */
export function inputOptions({ inputRange, schema }: PublishFlags): Pick<PublishOptions, "inputSchema" | "labels"> {
  if (inputRange && schema) throw new UsageError("give --input-range or --schema, not both");
  if (schema) return readInputSchema(schema);
  if (inputRange === undefined) return {};
  const [lo, hi, ...rest] = inputRange.split(",").map((text) => (text.trim() ? Number(text) : Number.NaN));
  if (!Number.isFinite(hi - lo) || !(lo < hi) || rest.length)
    throw new UsageError(`--input-range ${inputRange} is not a range`, "Give it as LO,HI with LO below HI, e.g. 0,1.");
  return { inputSchema: { lo, hi } };
}
