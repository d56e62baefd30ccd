import { Parley } from "@parley/sdk";
import type { Command } from "commander";

export interface GlobalOptions {
  readonly profile?: string;
  readonly json?: boolean;
}

/** Options of a command and of those above it. */
export const optionsOf = <T>(command: Command): T & GlobalOptions => command.optsWithGlobals();

/** Runs with a connection to one's own access point and closes it. */
export async function withParley<T>(command: Command, action: (parley: Parley) => Promise<T>): Promise<T> {
  const parley = Parley.connect(optionsOf(command).profile);
  try {
    return await action(parley);
  } finally {
    parley.close();
  }
}

/** Prints the JSON form under --json, else the text. */
export function print(command: Command, json: unknown, text: string) {
  console.log(optionsOf(command).json ? JSON.stringify(json) : text);
}
