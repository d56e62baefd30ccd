import { fromServiceError, Code } from "@parley/proto";
import { CommanderError } from "commander";
import { createProgram } from "./program.js";
import { UsageError } from "./usage-error.js";

/** Runs one command line. Returns the exit code: 0, 1 for a failure, 2 for wrong usage. */
export async function run(args: readonly string[]): Promise<number> {
  const json = args.includes("--json");
  try {
    await createProgram().parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return usage(error, json);
    if (error instanceof UsageError)
      return report({ code: "USAGE", message: error.message, hint: error.hint }, json, 2);
    const known = fromServiceError(error);
    const code = known.reason || Code[known.code];
    return report({ code, message: known.message, hint: known.hint }, json, 1);
  }
}

function usage(error: CommanderError, json: boolean): number {
  if (error.exitCode === 0) return 0; // help or version, printed already
  if (error.code === "commander.help") return 2; // a group without its command: the help was printed
  return report({ code: "USAGE", message: error.message.replace(/^error: /, ""), hint: "See parley --help." }, json, 2);
}

function report(error: { code: string; message: string; hint: string }, json: boolean, exitCode: number): number {
  if (json) console.error(JSON.stringify({ error }));
  else console.error(`Error: ${error.message}${error.hint ? `\n  ${error.hint}` : ""}`);
  return exitCode;
}
