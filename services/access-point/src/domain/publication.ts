import { newId } from "@parley/agreement";
import { DEFAULT_SCHEMA, cost, parsePlan, type InputSchema } from "@parley/plan";
import type { member, registry } from "@parley/proto";
import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";
import type { OwnAsset } from "../store/assets.js";
import type { Vault } from "../store/vault.js";
import { importModel } from "./import/import-model.js";
import type { OwnOrganisation } from "./own-organisation.js";
import { invalid } from "./refusal.js";
import type { Router } from "./router.js";

const bounds = z.union([z.number(), z.array(z.number())]);
const schemaShape = z.strictObject({
  lo: bounds,
  hi: bounds,
  bytes: z.enum(["linear", "unscaled"]).optional(),
  names: z.array(z.string()).optional(),
});
const labelsShape = z.array(z.string().max(200)).max(65_536);

/** Publishes models: the weights stay in the vault, the registry gets the plan, its digest and a commitment. */
export class Publication {
  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly router: Router,
    private readonly maxBytes: number,
  ) {}

  /** The same content under the same name again is the same asset. @throws ParleyError INVALID_ARGUMENT naming node, operator, layer or field */
  async publish(
    messages: AsyncIterable<member.PublishAssetRequest>,
    by: string,
    traceId: string,
  ): Promise<{ asset: registry.Asset; warnings: string[] }> {
    const { header, onnx } = await this.read(messages);
    const warnings: string[] = [];
    if (header.inputSchema === "")
      warnings.push(
        `No input range was given: inputs from ${DEFAULT_SCHEMA.lo as number} to ${DEFAULT_SCHEMA.hi as number} are admitted, byte files are taken unscaled. A tight range makes the model more exact and cheaper.`,
      );
    const schema: InputSchema =
      header.inputSchema === ""
        ? { ...DEFAULT_SCHEMA, bytes: "unscaled" }
        : parseJson(header.inputSchema, schemaShape, "input schema");
    const labels = header.labels === "" ? undefined : parseJson(header.labels, labelsShape, "labels");
    // Before the import, which may take long: nothing could be listed without a router.
    const registryService = this.router.registry;
    const content = createHash("sha256")
      .update(JSON.stringify([schema, labels ?? null, header.uniformWidth]))
      .update(onnx)
      .digest("hex");
    const known = this.vault.assets.findContent(header.name, content);
    const stored = known ?? (await this.store(header, onnx, schema, labels, content));
    const answer = await registryService.putAsset({ asset: this.listing(stored) });
    if (!stored.published)
      this.vault.database.transaction(() => {
        this.vault.assets.markPublished(stored.id);
        this.vault.audit.append({
          action: "asset.published",
          actor: `${this.own.id}/${by}`,
          subject: stored.id,
          traceId,
          details: {
            name: stored.name,
            version: stored.version,
            commitment: stored.commitment,
            planDigest: stored.planDigest,
          },
        });
      });
    return { asset: answer.asset ?? this.listing(stored), warnings };
  }

  private async read(messages: AsyncIterable<member.PublishAssetRequest>) {
    let header: member.PublishAssetHeader | undefined;
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const { body } of messages) {
      if (body?.$case === "header") {
        if (header) throw invalid("HEADER_TWICE", "a publication has one header");
        header = body.value;
        if (!/^\S(.{0,198}\S)?$/.test(header.name))
          throw invalid("NAME", "an asset needs a name of 1 to 200 characters", "Give --name.");
        if (header.description.length > 10_000)
          throw invalid("DESCRIPTION", "a description has at most 10000 characters");
      } else if (body?.$case === "chunk") {
        if (!header) throw invalid("HEADER_MISSING", "the header comes first");
        bytes += body.value.length;
        if (bytes > this.maxBytes)
          throw invalid(
            "MODEL_TOO_LARGE",
            `the model is larger than ${this.maxBytes} bytes`,
            "Raise PARLEY_MAX_MODEL_BYTES, or publish a smaller model.",
          );
        pieces.push(body.value);
      }
    }
    if (!header) throw invalid("HEADER_MISSING", "the header comes first");
    if (bytes === 0) throw invalid("MODEL_EMPTY", "the model file is empty", "Give an ONNX file.");
    return { header, onnx: Buffer.concat(pieces) };
  }

  private async store(
    header: member.PublishAssetHeader,
    onnx: Buffer,
    inputSchema: InputSchema,
    labels: readonly string[] | undefined,
    content: string,
  ): Promise<OwnAsset> {
    const commitmentKey = randomBytes(32);
    const model = await importModel({ onnx, inputSchema, labels, uniformWidth: header.uniformWidth, commitmentKey });
    const id = newId("mdl");
    await this.vault.files.write("weights", id, [model.weights]);
    return this.vault.assets.add({
      id,
      name: header.name,
      description: header.description,
      visibility: header.visibility,
      content,
      plan: Buffer.from(model.plan),
      planDigest: Buffer.from(model.planDigest).toString("hex"),
      commitment: Buffer.from(model.commitment).toString("hex"),
      commitmentKey,
    });
  }

  private listing(asset: OwnAsset): registry.Asset {
    const predicted = cost(parsePlan(JSON.parse(asset.plan.toString("utf8"))), 1);
    return {
      id: asset.id,
      organisationId: this.own.id,
      name: asset.name,
      version: asset.version,
      description: asset.description,
      commitment: Buffer.from(asset.commitment, "hex"),
      plan: asset.plan,
      planDigest: Buffer.from(asset.planDigest, "hex"),
      cost: {
        messages: predicted.online.messages,
        bytesP1ToP0: BigInt(predicted.online.p1ToP0),
        bytesP0ToP1: BigInt(predicted.online.p0ToP1),
        dealerBytesP0: BigInt(predicted.offline.dealerToP0),
        dealerBytesP1: BigInt(predicted.offline.dealerToP1),
        gates: BigInt(predicted.comparisons),
      },
      visibility: asset.visibility,
      createdAt: undefined,
      archived: false,
    };
  }
}

function parseJson<T>(text: string, shape: z.ZodType<T>, what: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid("JSON", `the ${what} is not JSON`);
  }
  const read = shape.safeParse(json);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw invalid("JSON", `the ${what} is not valid: ${issue.path.join(".") || what}: ${issue.message}`);
}
