import { fromServiceError, Code } from "@parley/proto";
import { CommanderError, type Command } from "commander";
import { createProgram } from "./program.js";
import { UsageError } from "./usage-error.js";

/** Runs one command line. Returns the exit code: 0, 1 for a failure, 2 for wrong usage. */
export async function run(args: readonly string[]): Promise<number> {
  const json = args.includes("--json");
  const program = createProgram({ json });
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return usage(error, json, helpOf(program, args));
    if (error instanceof UsageError)
      return report({ code: "USAGE", message: error.message, hint: error.hint }, json, 2);
    const known = fromServiceError(error);
    const code = known.reason || Code[known.code];
    return report({ code, message: known.message, hint: known.hint }, json, 1);
  }
}

function usage(error: CommanderError, json: boolean, help: string): number {
  if (error.exitCode === 0) return 0; // help or version, printed already
  const grouped = error.code === "commander.help"; // a group without its command: the help was printed, to standard error
  if (grouped && !json) return 2;
  const message = grouped ? "give a command" : error.message.replace(/^error: /, "");
  return report({ code: "USAGE", message, hint: `See: ${help}` }, json, 2);
}

/** The line that shows the help of the command that was meant. */
function helpOf(program: Command, args: readonly string[]): string {
  const names = ["parley"];
  let command: Command | undefined = program;
  for (const arg of args) {
    const next: Command | undefined = command.commands.find((child) => child.name() === arg);
    if (!next) continue;
    names.push(arg);
    command = next;
  }
  return `${names.join(" ")} --help`;
}

function report(error: { code: string; message: string; hint: string }, json: boolean, exitCode: number): number {
  if (json) console.error(JSON.stringify({ error }));
  else console.error(`Error: ${error.message}${error.hint ? `\n  ${error.hint}` : ""}`);
  return exitCode;
}
