import { Parley } from "@parley/sdk";
import { parseArgs } from "node:util";
import { selfTest } from "./self-test.js";

const USAGE = `Usage: parley self-test [--json]

Tries an installation: invites a self-test organisation, which lives for the test's time, and lets it run a private prediction on
a tiny built-in model of this one. Needs an administrator's profile (PARLEY_PROFILE_DIR or PARLEY_PROFILE) and
PARLEY_ALLOW_SELF_TEST at the access point, at identity and at the dealer: for trials only, because the people of an
access point then make an organisation that the operators did not meet.`;

const { values } = parseArgs({ options: { json: { type: "boolean" }, help: { type: "boolean" } } });
if (values.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
const say = (text: string) => void process.stderr.write(`${text} ...\n`);
try {
  const main = Parley.connect();
  const report = await selfTest(main, say).finally(() => main.close());
  const text = report.ok
    ? `ok: ${report.records} private predictions, equal to the plaintext; submit to result ${report.submitToResultMs} ms`
    : "FAILED: the result is not the plaintext's";
  process.stdout.write(`${values.json ? JSON.stringify(report) : text}\n`);
  process.exit(report.ok ? 0 : 1);
} catch (error) {
  const { message, reason = "", hint = "" } = error as Error & { reason?: string; hint?: string };
  if (values.json) process.stderr.write(`${JSON.stringify({ error: { reason, message, hint } })}\n`);
  else process.stderr.write(`FAILED: ${message}${hint ? `\n  ${hint}` : ""}\n`);
  process.exit(1);
}
