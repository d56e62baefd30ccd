import { Code, ParleyError } from "@parley/proto";
import { Command } from "commander";
import { optionsOf, print, withParley } from "../context.js";
import { progress } from "../output/progress.js";
import { fields, minute, table } from "../output/table.js";
import { inputOptions, type PublishFlags } from "./input-options.js";

export function assetCommands(): Command {
  const asset = new Command("asset").description("models: publish, list, show");
  asset
    .command("publish <file>")
    .description("publish an ONNX model; the weights stay in your own access point")
    .requiredOption("--name <name>", "name of the model")
    .option("--input-range <lo,hi>", "what every input value must lie within; byte files (PNG, IDX) are mapped onto it")
    .option("--schema <file>", 'per-feature ranges as JSON: {"lo": [..], "hi": [..], "names": [..], "labels": [..]}')
    .option("--description <text>", "for people")
    .option("--uniform-width", "one width for all layers: the public plan tells less about the weights, runs cost more")
    .option("--private", "visible to your own organisation only")
    .addHelpText(
      "after",
      "\nExample:\n  parley asset publish mnist.onnx --name digits --input-range 0,1\n\nThe range is what the proofs of exactness stand on: data outside it is refused when a job is submitted.",
    )
    .action(async (file: string, _: unknown, command: Command) => {
      const flags = optionsOf<PublishFlags>(command);
      const bar = progress("Uploading", flags.json);
      const options = {
        name: flags.name,
        model: file,
        description: flags.description,
        uniformWidth: flags.uniformWidth,
        visibility: flags.private ? ("private" as const) : undefined,
        ...inputOptions(flags),
      };
      await withParley(command, async (parley) => {
        const { asset: made, warnings } = await parley
          .publish({ ...options, onProgress: bar.update })
          .finally(bar.stop);
        for (const warning of warnings) console.error(`Warning: ${warning}`);
        const json = {
          assetId: made.id,
          version: made.version,
          commitment: made.commitment,
          planDigest: made.planDigest,
        };
        print(
          command,
          json,
          `${fields({ Asset: made.id, Version: made.version, Commitment: made.commitment, "Plan digest": made.planDigest })}\n\nNext: parley agreement offer --asset ${made.id} --to ORG --records N --expires DATE --output logits`,
        );
      });
    });
  asset
    .command("list")
    .description("models that your organisation may see")
    .option("--org <org>", "only of this organisation")
    .option("--search <text>", "only names or descriptions with this text")
    .action(async (_: unknown, command: Command) => {
      const { org, search } = optionsOf<{ org?: string; search?: string }>(command);
      await withParley(command, async (parley) => {
        const assets = await parley.assets({ organisation: org, text: search });
        const rows = assets.map((a) => [a.id, a.organisation, a.name, a.version, minute(a.createdAt)]);
        const json = assets.map(({ id, organisation, name, version, commitment, planDigest, createdAt }) => ({
          assetId: id,
          organisation,
          name,
          version,
          commitment,
          planDigest,
          createdAt,
        }));
        print(
          command,
          { assets: json },
          rows.length ? table(["ASSET", "OWNER", "NAME", "VERSION", "PUBLISHED"], rows) : "No models yet.",
        );
      });
    });
  asset
    .command("show <id>")
    .description("one model: input, output, predicted cost")
    .action(async (id: string, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const found = await parley.asset(id);
        const plan = found.requirePlan();
        if (!found.cost) throw new ParleyError(Code.INTERNAL, "INCOMPLETE_ANSWER", `asset ${id} has no predicted cost`);
        const { lo, hi } = plan.input.schema;
        const range = typeof lo === "number" && typeof hi === "number" ? `${lo} .. ${hi}` : "per feature";
        const cost = {
          messages: found.cost.messages,
          bytesP1ToP0: Number(found.cost.bytesP1ToP0),
          bytesP0ToP1: Number(found.cost.bytesP0ToP1),
          dealerBytesP0: Number(found.cost.dealerBytesP0),
          dealerBytesP1: Number(found.cost.dealerBytesP1),
          gates: Number(found.cost.gates),
        };
        const text = fields({
          Asset: id,
          Owner: found.organisation,
          Name: found.name,
          Version: found.version,
          Description: found.description,
          Input: `${plan.tensors[0].shape.join(" x ")}, values ${range}`,
          Output: `${plan.tensors[plan.output.tensor].shape.join(" x ")}${plan.output.head === "none" ? "" : ` (${plan.output.head})`}`,
          Layers: plan.steps.length,
          "Messages per run": cost.messages,
          "Bytes per record": `${cost.bytesP1ToP0} out, ${cost.bytesP0ToP1} in, ${cost.dealerBytesP1} from the dealer`,
          Commitment: found.commitment,
          "Plan digest": found.planDigest,
        });
        print(
          command,
          {
            assetId: id,
            organisation: found.organisation,
            name: found.name,
            version: found.version,
            commitment: found.commitment,
            planDigest: found.planDigest,
            cost,
            plan,
          },
          text,
        );
      }),
    );
  return asset;
}
