import { createEnrolmentToken, type EnrolmentOffice } from "@parley/sdk";
import { Command } from "commander";
import { optionsOf, print } from "../context.js";
import { UsageError } from "../usage-error.js";

interface TokenOptions {
  readonly at?: string;
  readonly address: string;
  readonly folder: string;
  readonly hours: string;
}

const MOST_HOURS = 24 * 30;

/** `parley token ORG`, for the people who operate the router or the dealer, where those run. */
export function tokenCommand(): Command {
  return new Command("token")
    .description("as the router's or the dealer's operator: make a one-time token with which an organisation enrols")
    .argument("<org>", "name of the organisation that will use it")
    .option("--at <service>", "identity or dealer (default: the one that this machine runs)")
    .option("--address <host:port>", "where it is", "localhost:8443")
    .option(
      "--folder <folder>",
      "the operator's certificate: tls.crt, tls.key, ca.crt",
      process.env.PARLEY_OPERATOR_DIR ?? "/etc/parley/operator",
    )
    .option("--hours <n>", "how long it may be used", "24")
    .action(async (org: string, _: unknown, command: Command) => {
      const { at, address, folder, hours } = optionsOf<TokenOptions>(command);
      const office = at ?? (process.env.PARLEY_DEALER_KEK_FILE === undefined ? "identity" : "dealer");
      if (office !== "identity" && office !== "dealer") throw new UsageError(`--at is identity or dealer, not ${at}`);
      if (!(Number(hours) > 0 && Number(hours) <= MOST_HOURS))
        throw new UsageError(`--hours is a number up to ${MOST_HOURS}, not ${hours}`);
      const connection = { address, folder, office: office as EnrolmentOffice };
      const { token, expires } = await createEnrolmentToken(connection, org, Math.round(Number(hours) * 3600));
      print(command, { organisation: org, token, expires }, token);
    });
}
