import type { common } from "@parley/proto";
import { checkInstallation, Code, ParleyError } from "@parley/sdk";
import { Command } from "commander";
import { optionsOf, print } from "../context.js";
import { findingJson, findingsTable, tally, tallyText } from "../output/findings.js";
import { terminal } from "../output/terminal.js";
import { UsageError } from "../usage-error.js";
import { version } from "../version.js";

const MOST_IDLE_S = 600;
const HELP = `
Looks at the profile and at the way to your access point, and has the access point and each of its workers look at the way to the
router's services, the dealer and each partner's workers: name, port, TLS, certificate, host name, HTTP/2, round trip, version,
clock, a large message, bandwidth, and whether a connection that is silent is left alone. It uses connections of its own and
disturbs no job. Beyond the access point only administrators may look.

Exits 0 where nothing failed; warnings do not count. With --json: {"findings": [{"from", "to", "address", "check", "outcome",
"figure", "value"?, "unit"?, "hint"}], "summary"}.

Examples:
  parley doctor --profile clinic-a
  parley doctor --idle 300                             # does a proxy end connections that are silent for 5 minutes?
  parley doctor --json | jq '.findings[] | select(.outcome == "failed")'`;

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check the installation: what is wrong on the way to your access point and from there, and what to do")
    .option("--idle <seconds>", `how long a connection is held silent, at most ${MOST_IDLE_S}`, "2")
    .addHelpText("after", HELP)
    .action(async (_: unknown, command: Command) => {
      const { idle, profile, json } = optionsOf<{ idle: string }>(command);
      const seconds = Number(idle);
      if (!(seconds > 0 && seconds <= MOST_IDLE_S))
        throw new UsageError(`--idle takes seconds, up to ${MOST_IDLE_S}, not ${idle}`);
      const findings = await collect(checkInstallation(profile, { version, idleMs: seconds * 1000 }), json);
      const summary = tally(findings);
      const text = () => `${findingsTable(findings, terminal())}\n\n${tallyText(findings)}`;
      print(command, { findings: findings.map(findingJson), summary }, json ? "" : text());
      if (summary.failed > 0)
        throw new ParleyError(
          Code.FAILED_PRECONDITION,
          "CHECK_FAILED",
          `${summary.failed} of ${findings.length} checks failed`,
          "What to do stands below each of them; begin with the first.",
        );
    });
}

/** All findings; on a terminal standard error counts them as they come. */
async function collect(findings: AsyncIterable<common.Finding>, quiet: boolean | undefined): Promise<common.Finding[]> {
  const isShown = !quiet && process.stderr.isTTY;
  const all: common.Finding[] = [];
  for await (const finding of findings) {
    all.push(finding);
    const { source, target, check } = finding;
    if (isShown) process.stderr.write(`\r\u001b[K${all.length} checks: ${source} → ${target}, ${check}`);
  }
  if (isShown) process.stderr.write("\r\u001b[K");
  return all;
}
