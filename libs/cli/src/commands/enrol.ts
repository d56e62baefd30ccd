import { Code, isAway, ParleyError, type Parley } from "@parley/sdk";
import { Command } from "commander";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { optionsOf, print, withParley } from "../context.js";
import { UsageError } from "../usage-error.js";

type Operator = "router" | "dealer";

interface EnrolOptions {
  readonly router?: string;
  readonly dealer?: string;
  readonly operator?: string;
  readonly tokenFile?: string;
  readonly wait?: string;
}

const AGAIN_MS = 2_000;
const pairs = (hex: string) => hex.match(/.{4}/g)?.join(" ") ?? hex;

/** `parley org enrol`: by hand with the token itself, in installations with a file, where doing it twice changes nothing. */
export function enrolCommand(): Command {
  return new Command("enrol")
    .description("enrol your organisation with a one-time token of the router or the dealer")
    .option("--router <token>", "token of the router's operator")
    .option("--dealer <token>", "token of the dealer's operator")
    .option("--operator <name>", "router or dealer: whose token the file holds")
    .option("--token-file <file>", "file with the token; where it was used before, nothing is done")
    .option(
      "--wait <seconds>",
      "how long to wait for the access point and the operator (default 120, with --token-file)",
    )
    .action(async (_: unknown, command: Command) => {
      const options = optionsOf<EnrolOptions>(command);
      const { operator, token, fromFile } = tokenOf(options);
      const patience = 1000 * Number(options.wait ?? (fromFile ? 120 : 0));
      if (!(patience >= 0)) throw new UsageError(`--wait is a number of seconds, not ${options.wait}`);
      await withParley(command, async (parley) => {
        const answer = await enrol(parley, { operator, token, fromFile }, Date.now() + patience);
        const text = `${answer.orgId} is enrolled at ${answer.issuer}, whose fingerprint is\n  ${pairs(answer.issuerFingerprint)}`;
        print(command, answer, answer.before ? `enrolled at the ${operator} before; nothing to do` : text);
      });
    });
}

function tokenOf({ router, dealer, operator, tokenFile }: EnrolOptions) {
  if ((operator === undefined) !== (tokenFile === undefined)) throw new UsageError("--operator goes with --token-file");
  if ([router, dealer, tokenFile].filter((given) => given !== undefined).length !== 1)
    throw new UsageError("give one of --router TOKEN, --dealer TOKEN, and --operator NAME --token-file FILE");
  if (tokenFile === undefined) {
    const of: Operator = router === undefined ? "dealer" : "router";
    return { operator: of, token: router ?? dealer ?? "", fromFile: false };
  }
  if (operator !== "router" && operator !== "dealer")
    throw new UsageError(`--operator is router or dealer, not ${operator}`);
  return { operator: operator as Operator, token: readToken(tokenFile), fromFile: true };
}

async function enrol(
  parley: Parley,
  { operator, token, fromFile }: { operator: Operator; token: string; fromFile: boolean },
  until: number,
) {
  for (;;)
    try {
      const { organisation, issuer } = await parley.organisations.enrol(token, operator);
      return {
        orgId: organisation?.id ?? "",
        fingerprint: organisation?.fingerprint ?? "",
        issuer: issuer?.id ?? "",
        issuerFingerprint: issuer?.fingerprint ?? "",
        before: false,
      };
    } catch (error) {
      if (fromFile && (await isUsed(parley, operator, error)))
        return { orgId: "", fingerprint: "", issuer: operator, issuerFingerprint: "", before: true };
      if (!isAway(error) || Date.now() > until) throw error;
      await pause(AGAIN_MS);
    }
}

/** A token that is refused because this organisation enrolled with it before: then it knows the operator. */
async function isUsed(parley: Parley, operator: Operator, error: unknown): Promise<boolean> {
  const refused = ["ENROLMENT_TOKEN_REFUSED", "ONE_TIME_TOKEN_EXPIRED"];
  if (!(error instanceof ParleyError) || !refused.includes(error.reason)) return false;
  const { enrolledAt } = await parley.client.whoAmI({});
  return enrolledAt.includes(operator);
}

function readToken(file: string): string {
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  throw new ParleyError(
    Code.NOT_FOUND,
    "TOKEN_FILE",
    `${file} does not exist`,
    "Give the file in which the operator's one-time token is.",
  );
}
