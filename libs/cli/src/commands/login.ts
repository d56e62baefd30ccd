import { Code, Parley, ParleyError, saveProfile } from "@parley/sdk";
import { Command } from "commander";
import { readFileSync } from "node:fs";
import { optionsOf, print, withConnection } from "../context.js";
import { UsageError } from "../usage-error.js";

interface Options {
  readonly address: string;
  readonly ca: string;
  readonly apiKeyFile?: string;
}

const read = (file: string, what: string) => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new ParleyError(
      Code.INVALID_ARGUMENT,
      "FILE_UNREADABLE",
      `the ${what} ${file} cannot be read`,
      "Check the path and its permissions.",
    );
  }
};

export function loginCommand(): Command {
  return new Command("login")
    .description("save a profile for your organisation's access point, after trying it")
    .requiredOption("--address <host:port>", "member address of the access point")
    .requiredOption("--ca <file>", "certificate authority of the access point (PEM)")
    .option("--api-key-file <file>", "file that holds the API key (or set PARLEY_API_KEY)")
    .action(async (_: unknown, command: Command) => {
      const options = optionsOf<Options>(command);
      const apiKey = (
        options.apiKeyFile ? read(options.apiKeyFile, "key file") : (process.env.PARLEY_API_KEY ?? "")
      ).trim();
      if (!apiKey) throw new UsageError("no API key given", "Give --api-key-file FILE or set PARLEY_API_KEY.");
      const profile = { address: options.address, ca: read(options.ca, "CA file"), apiKey };
      await withConnection(Parley.connect(profile), async (parley) => {
        const { organisation, user, roles } = await parley.whoAmI();
        const name = options.profile ?? "default";
        const file = saveProfile(name, profile);
        const orgId = organisation?.id ?? "";
        print(
          command,
          { profile: name, orgId, user, roles },
          `Logged in to ${orgId} as ${user} (${roles.join(", ")}). Profile "${name}" is in ${file}`,
        );
      });
    });
}
