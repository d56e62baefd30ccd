import { Command } from "commander";
import { optionsOf, print, withParley } from "../context.js";
import { fields } from "../output/table.js";
import { UsageError } from "../usage-error.js";

const pairs = (hex: string) => hex.match(/.{4}/g)?.join(" ") ?? hex;

export function orgCommands(): Command {
  const org = new Command("org").description("your organisation, its partners, users and workers");
  org
    .command("enrol")
    .description("enrol your organisation with a one-time token of the router or the dealer")
    .option("--router <token>", "token of the router's operator")
    .option("--dealer <token>", "token of the dealer's operator")
    .action(async (_: unknown, command: Command) => {
      const { router, dealer } = optionsOf<{ router?: string; dealer?: string }>(command);
      if (!router === !dealer) throw new UsageError("give either --router TOKEN or --dealer TOKEN");
      await withParley(command, async (parley) => {
        const { organisation, issuer } = await parley.organisations.enrol(
          router ?? dealer ?? "",
          router ? "router" : "dealer",
        );
        const answer = {
          orgId: organisation?.id,
          fingerprint: organisation?.fingerprint,
          issuer: issuer?.id,
          issuerFingerprint: issuer?.fingerprint,
        };
        print(
          command,
          answer,
          `${answer.orgId} is enrolled at ${answer.issuer}, whose fingerprint is\n  ${pairs(answer.issuerFingerprint ?? "")}`,
        );
      });
    });
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
    .description("make a one-time token with which a worker enrols at your access point")
    .action(async (_: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const { token, expires } = await parley.client.createWorkerToken({ validSeconds: 0 });
        print(command, { token, expires }, token);
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
  return org;
}
