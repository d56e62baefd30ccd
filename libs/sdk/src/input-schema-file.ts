import { Code, ParleyError } from "@parley/proto";
import { readFileSync } from "node:fs";
import { z } from "zod";
import type { PublishOptions } from "./asset.js";

const bound = z.union([z.number(), z.array(z.number()).min(1)]);
const schemaFile = z.strictObject({
  lo: bound,
  hi: bound,
  names: z.array(z.string()).optional(),
  labels: z.array(z.string()).optional(),
});

const HINT =
  'It looks like {"lo": 0, "hi": 1, "names": [..], "labels": [..]}; lo and hi may be lists, one value a feature.';

/** Per-feature ranges, feature and class names from a JSON file, as `Parley.publish` takes them. @throws ParleyError INVALID_ARGUMENT */
export function readInputSchema(file: string): Pick<PublishOptions, "inputSchema" | "labels"> {
  const refuse = (why: string) =>
    new ParleyError(Code.INVALID_ARGUMENT, "SCHEMA_INVALID", `the schema ${file} ${why}`, HINT);
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw refuse("cannot be read as JSON");
  }
  const checked = schemaFile.safeParse(parsed);
  if (!checked.success) {
    const { path, message } = checked.error.issues[0];
    throw refuse(`is not valid: ${[path.join("."), message].filter(Boolean).join(": ")}`);
  }
  const { labels, ...inputSchema } = checked.data;
  return { inputSchema, labels };
}
