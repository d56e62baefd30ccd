import { fromServiceError } from "@parley/proto";
import { Code, isAway, Parley, ParleyError } from "@parley/sdk";
import type { Command } from "commander";

export interface GlobalOptions {
  readonly profile?: string;
  readonly json?: boolean;
}

/** Options of a command and of those above it. */
export const optionsOf = <T>(command: Command): T & GlobalOptions => command.optsWithGlobals();

/** Runs with a connection to one's own access point and closes it. */
export const withParley = <T>(command: Command, action: (parley: Parley) => Promise<T>): Promise<T> =>
  withConnection(Parley.connect(optionsOf(command).profile), action);

export async function withConnection<T>(parley: Parley, action: (parley: Parley) => Promise<T>): Promise<T> {
  try {
    return await action(parley);
  } catch (error) {
    throw isAway(error) ? unreachable(parley.address, fromServiceError(error).message) : error;
  } finally {
    parley.close();
  }
}

/** The transport's own words name addresses and system errors; these say what they mean. */
function unreachable(address: string, why: string): ParleyError {
  const untrusted = /certificate|altnames|issuer/i.test(why);
  return new ParleyError(
    Code.UNAVAILABLE,
    "ACCESS_POINT_UNREACHABLE",
    untrusted
      ? `the access point at ${address} has another certificate authority than this profile`
      : `the access point at ${address} cannot be reached`,
    untrusted
      ? "Take its ca.pem again, from the people who run it: parley login --ca ca.pem"
      : "Check the address of the profile and that the access point runs, then try again.",
  );
}

/** Prints the JSON form under --json, else the text. */
export function print(command: Command, json: unknown, text: string) {
  console.log(optionsOf(command).json ? JSON.stringify(json) : text);
}
