import { PlanError } from "./error.js";

/**
 * Cuts a job of `records` into runs, largest first: as many as fit of `maxRecords` (a power of two), then the binary
 * digits of the rest. 200 records at 128 make [128, 64, 8].
 * @throws PlanError INVALID_RECORD_COUNT
 */
export function cutRuns(records: number, maxRecords: number): number[] {
  if (!Number.isSafeInteger(records) || records < 1)
    throw new PlanError(
      "INVALID_RECORD_COUNT",
      `a job has at least one record, not ${records}`,
      "Submit at least one record.",
    );
  if (!Number.isSafeInteger(maxRecords) || maxRecords < 1 || !Number.isInteger(Math.log2(maxRecords)))
    throw new PlanError(
      "INVALID_RECORD_COUNT",
      `runs have at most a power of two of records, not ${maxRecords}`,
      "Use the plan's maxRecords.",
    );
  const runs: number[] = new Array<number>(Math.floor(records / maxRecords)).fill(maxRecords);
  const rest = records % maxRecords;
  for (let size = maxRecords / 2; size >= 1; size /= 2) if (Math.floor(rest / size) % 2 === 1) runs.push(size);
  return runs;
}
