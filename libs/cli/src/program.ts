import { Command } from "commander";
import { agreementCommands } from "./commands/agreement.js";
import { assetCommands } from "./commands/asset.js";
import { doctorCommand } from "./commands/doctor.js";
import { jobCommands } from "./commands/job.js";
import { loginCommand } from "./commands/login.js";
import { orgCommands } from "./commands/org.js";
import { predictCommand } from "./commands/predict.js";
import { tokenCommand } from "./commands/token.js";
import { version } from "./version.js";

const EXAMPLES = `
Examples:
  parley login --address localhost:8444 --ca ca.pem --api-key-file key --profile clinic-a
  parley asset publish model.onnx --name triage --input-range 0,1 --profile clinic-a
  parley agreement offer --asset mdl_... --to clinic-b --records 1000 --expires 2027-12-31 --output logits
  parley predict --asset mdl_... --data patients.csv --profile clinic-b

Profiles are looked for in $PARLEY_HOME, else in the nearest .parley folder upwards, else in the user's config folder.`;

/** The command line, as a tree. Parsing throws instead of ending the process. Under `json` no help is written to standard error. */
export function createProgram({ json = false } = {}): Command {
  const program = new Command("parley")
    .description(
      "Run another organisation's neural network on your own private data, so that neither sees the other's secret.",
    )
    .version(version)
    .option("--profile <name>", 'profile to use (default: $PARLEY_PROFILE, "default", or the only one)')
    .option("--json", "print one JSON object on standard output; errors as JSON on standard error")
    .addHelpText("after", EXAMPLES)
    .showHelpAfterError(false);
  for (const command of [
    loginCommand(),
    orgCommands(),
    assetCommands(),
    agreementCommands(),
    predictCommand(),
    jobCommands(),
    tokenCommand(),
    doctorCommand(),
  ])
    program.addCommand(command);
  prepare(program, json);
  return program;
}

/** Errors are thrown, and the global options may stand anywhere on the line. */
function prepare(command: Command, json: boolean) {
  command.exitOverride().configureOutput({ outputError: () => {}, ...(json && { writeErr: () => {} }) });
  for (const child of command.commands) {
    child.option("--profile <name>", "profile to use").option("--json", "print one JSON object");
    prepare(child, json);
  }
}
