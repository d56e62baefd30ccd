import { common } from "@parley/proto";
import { styled, type Style, type Terminal } from "./terminal.js";

const { FindingOutcome } = common;
type Outcome = "ok" | "warning" | "failed" | "skipped";
const NAMES: Record<number, Outcome> = {
  [FindingOutcome.FINDING_OUTCOME_OK]: "ok",
  [FindingOutcome.FINDING_OUTCOME_WARNING]: "warning",
  [FindingOutcome.FINDING_OUTCOME_FAILED]: "failed",
};
const STYLES: Record<Outcome, Style> = { ok: "green", warning: "yellow", failed: "red", skipped: "dim" };

export const outcomeOf = ({ outcome }: common.Finding): Outcome => NAMES[outcome] ?? "skipped";

/** The JSON form of a finding. */
export function findingJson(finding: common.Finding) {
  const { source, target, address, check, figure, value, unit, hint } = finding;
  const outcome = outcomeOf(finding);
  return { from: source, to: target, address, check, outcome, figure, ...(unit && { value, unit }), hint };
}

/** How many there are of each outcome. */
export function tally(findings: readonly common.Finding[]): Record<Outcome, number> {
  const counts = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  for (const finding of findings) counts[outcomeOf(finding)]++;
  return counts;
}

/** "12 ok, 1 warning, 2 failed" */
export const tallyText = (findings: readonly common.Finding[]): string =>
  Object.entries(tally(findings))
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(", ");

/** A table for each place, in the order in which they were first looked at; below what is not well, what to do. */
export function findingsTable(findings: readonly common.Finding[], terminal: Terminal): string {
  const places = new Map<string, common.Finding[]>();
  for (const finding of findings) {
    const key = `${finding.source} → ${finding.target || "?"}${finding.address && `  ${finding.address}`}`;
    places.set(key, [...(places.get(key) ?? []), finding]);
  }
  const width = Math.max(...findings.map(({ check }) => check.length));
  return [...places]
    .map(([place, found]) => [styled(place, "bold", terminal), ...found.flatMap((one) => lines(one, width, terminal))])
    .map((block) => block.join("\n"))
    .join("\n\n");
}

function lines(finding: common.Finding, width: number, terminal: Terminal): string[] {
  const outcome = outcomeOf(finding);
  const mark = styled(outcome.padEnd(8), STYLES[outcome], terminal);
  const line = `  ${mark} ${finding.check.padEnd(width)}  ${finding.figure}`;
  return finding.hint ? [line, `${" ".repeat(width + 13)}${finding.hint}`] : [line];
}
