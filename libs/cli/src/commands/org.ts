import { Command } from "commander";
import { optionsOf, print, withParley } from "../context.js";
import { fields } from "../output/table.js";
import { UsageError } from "../usage-error.js";
import { enrolCommand } from "./enrol.js";

const pairs = (hex: string) => hex.match(/.{4}/g)?.join(" ") ?? hex;

export function orgCommands(): Command {
  const org = new Command("org").description("your organisation, its partners, users and workers");
  org.addCommand(enrolCommand());
  org
    .command("show [org]")
    .description('your organisation, or a partner (or "dealer") with the fingerprint to compare')
    .action(async (id: string | undefined, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const { organisation, trusted } = await parley.organisations.get(id);
        const { id: orgId = "", fingerprint = "", workerEndpoints = [] } = organisation ?? {};
        const json = id ? { orgId, fingerprint, trusted, endpoints: workerEndpoints } : { orgId, fingerprint };
        print(
          command,
          json,
          fields({
            Organisation: orgId,
            Fingerprint: pairs(fingerprint),
            Trusted: id ? (trusted ? "yes" : "no") : undefined,
            Workers: workerEndpoints.join(", "),
          }),
        );
      }),
    );
  org
    .command("trust <org>")
    .description("record that you compared a partner's (or the dealer's) fingerprint with its people")
    .requiredOption("--fingerprint <fingerprint>", "as they read it to you")
    .action(async (id: string, _: unknown, command: Command) => {
      const { fingerprint } = optionsOf<{ fingerprint: string }>(command);
      await withParley(command, async (parley) => {
        const { organisation } = await parley.organisations.trust(id, fingerprint);
        print(
          command,
          { orgId: id, fingerprint: organisation?.fingerprint, trusted: true },
          `${id} is trusted from now on.`,
        );
      });
    });
  org
    .command("worker-token")
    .description("make a token with which a worker enrols at your access point")
    .option("--reusable", "for any number of workers, for fleets whose workers come and go")
    .option("--days <n>", "how long it may be used, at most 30 (default 1)")
    .action(async (_: unknown, command: Command) => {
      const { reusable = false, days = "1" } = optionsOf<{ reusable?: boolean; days?: string }>(command);
      const validSeconds = Math.round(Number(days) * 86_400);
      if (!(validSeconds > 0 && validSeconds <= 30 * 86_400))
        throw new UsageError(`--days is a number up to 30, not ${days}`);
      await withParley(command, async (parley) => {
        const { token, expires } = await parley.client.createWorkerToken({ validSeconds, reusable });
        print(command, { token, expires, reusable }, token);
      });
    });
  org
    .command("revoke-worker-tokens")
    .description("end all workers' tokens that could still be used; workers that enrolled stay")
    .action(async (_: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const { revoked } = await parley.client.revokeWorkerTokens({});
        print(command, { revoked }, `${revoked} ${revoked === 1 ? "token is" : "tokens are"} of no use any more.`);
      }),
    );
  org
    .command("revoke-worker <name>")
    .description("put one worker out at once, by its name or its id of the audit log (wrk_...)")
    .addHelpText(
      "after",
      "\nIts streams end, nothing of it is taken any more and its certificate is not renewed. Partners and the dealer know\n" +
        "the certificate until it ends, at most 24 hours. Revoke its token first (revoke-worker-tokens), or it comes back.",
    )
    .action(async (name: string, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const { workers, certificatesEnd, streams } = await parley.organisations.revokeWorker(name);
        print(
          command,
          { name, workers, certificatesEnd, streams },
          fields({
            Revoked: workers.join(", "),
            "Streams ended": String(streams),
            "Known to partners and dealer until": certificatesEnd?.toISOString(),
          }),
        );
      }),
    );
  org
    .command("api-key <user>")
    .description("make an API key for a person or a program of your organisation")
    .requiredOption("--roles <roles>", "comma separated: admin, publisher, scientist, auditor")
    .action(async (user: string, _: unknown, command: Command) => {
      const roles = optionsOf<{ roles: string }>(command)
        .roles.split(",")
        .map((role) => role.trim());
      await withParley(command, async (parley) => {
        const { apiKey } = await parley.client.createApiKey({ user, roles });
        print(command, { user, roles, apiKey }, apiKey);
      });
    });
  org
    .command("revoke-key <user>")
    .description("withdraw the API key of a person or a program at once")
    .action(async (user: string, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        await parley.client.revokeApiKey({ user });
        print(command, { user, revoked: true }, `the API key of ${user} is of no use any more.`);
      }),
    );
  return org;
}
