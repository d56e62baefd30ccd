import { agreements as proto } from "@parley/proto";
import { Command, InvalidArgumentError } from "commander";
import { optionsOf, print, withParley } from "../context.js";
import { day, fields, table } from "../output/table.js";

const state = (agreement: proto.Agreement) =>
  proto.AgreementState[agreement.state]?.replace("AGREEMENT_STATE_", "").toLowerCase() ?? "unknown";

const positive = (text: string) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("give a whole number of at least 1");
  return value;
};

/** A date is the end of that day, UTC. */
const date = (text: string) => {
  const value = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T23:59:59Z` : text);
  if (Number.isNaN(value.getTime())) throw new InvalidArgumentError("give a date such as 2027-12-31");
  return value;
};

const summary = (a: proto.Agreement) => ({
  agreementId: a.id,
  state: state(a),
  modelOwner: a.modelOwner,
  dataOwner: a.dataOwner,
  assetId: a.assetId,
  quota: Number(a.quota),
  reserved: Number(a.reserved),
  used: Number(a.used),
  expires: a.expires,
});

export function agreementCommands(): Command {
  const agreement = new Command("agreement").description("what two organisations sign before a model may be used");
  agreement
    .command("offer")
    .description("offer a partner the use of your model")
    .requiredOption("--asset <id>", "your model")
    .requiredOption("--to <org>", "partner organisation; trusted before with: parley org trust")
    .requiredOption("--records <n>", "records whose results may be revealed", positive)
    .requiredOption("--expires <date>", "end date", date)
    .requiredOption("--output <policy>", "what the partner learns: logits")
    .option("--purpose <text>", "what it is for; both sign it")
    .addHelpText(
      "after",
      "\nExample:\n  parley agreement offer --asset mdl_... --to clinic-b --records 1000 --expires 2027-12-31 --output logits --purpose triage",
    )
    .action(async (_: unknown, command: Command) => {
      const { asset, to, records, expires, output, purpose } = optionsOf<{
        asset: string;
        to: string;
        records: number;
        expires: Date;
        output: "logits";
        purpose?: string;
      }>(command);
      await withParley(command, async (parley) => {
        const made = await parley.agreements.offer({ asset, to, records, expires, output, purpose });
        print(
          command,
          { agreementId: made.id },
          `Offered: ${made.id}\n\nNext, at ${to}: parley agreement accept ${made.id}`,
        );
      });
    });
  agreement
    .command("accept <id>")
    .description("counter-sign an offer")
    .action(async (id: string, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const made = await parley.agreements.accept(id);
        print(
          command,
          { agreementId: made.id, state: state(made) },
          `Accepted: ${made.id} is ${state(made)}.\n\nNext: parley predict --asset ${made.assetId} --data FILE`,
        );
      }),
    );
  agreement
    .command("list")
    .description("agreements of your organisation")
    .action(async (_: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const all = await parley.agreements.list();
        const rows = all.map((a) => [
          a.id,
          state(a),
          a.modelOwner,
          a.dataOwner,
          a.assetId,
          `${a.used}/${a.quota}`,
          day(a.expires),
        ]);
        print(
          command,
          { agreements: all.map(summary) },
          rows.length
            ? table(["AGREEMENT", "STATE", "MODEL OWNER", "DATA OWNER", "ASSET", "USED", "EXPIRES"], rows)
            : "No agreements yet.",
        );
      }),
    );
  agreement
    .command("show <id>")
    .description("one agreement with its signed terms")
    .action(async (id: string, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const found = await parley.agreements.get(id);
        const terms = found.terms ? (JSON.parse(found.terms) as Record<string, unknown>) : {};
        const s = summary(found.agreement);
        const text = fields({
          Agreement: id,
          State: s.state,
          "Model owner": s.modelOwner,
          "Data owner": s.dataOwner,
          Asset: s.assetId,
          Records: `${s.used} used, ${s.reserved} reserved, of ${s.quota}`,
          Purpose: String(terms.purpose ?? ""),
          Expires: day(s.expires),
          Digest: found.agreement.digest.toString("hex"),
          Ready: found.ready ? "yes" : "not yet",
        });
        print(command, { ...s, ready: found.ready, digest: found.agreement.digest.toString("hex"), terms }, text);
      }),
    );
  agreement
    .command("revoke <id>")
    .description("end an agreement; running sessions end before they reveal anything")
    .requiredOption("--reason <text>", "both organisations see it")
    .action(async (id: string, _: unknown, command: Command) => {
      const { reason } = optionsOf<{ reason: string }>(command);
      await withParley(command, async (parley) => {
        const ended = await parley.agreements.revoke(id, reason);
        print(command, { agreementId: id, state: state(ended) }, `${id} is ${state(ended)}.`);
      });
    });
  return agreement;
}
