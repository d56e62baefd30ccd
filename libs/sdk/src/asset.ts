import { parsePlan, planDigest, sizeOf, type Plan } from "@parley/plan";
import { Code, ParleyError, type registry } from "@parley/proto";
import { readFile } from "node:fs/promises";
import type { MemberClient } from "./parley.js";

/** A published model. */
export class Asset {
  private constructor(
    readonly id: string,
    readonly organisation: string,
    readonly name: string,
    readonly version: number,
    readonly description: string,
    /** Commitment to the weights, hex. */
    readonly commitment: string,
    /** Digest of the plan, hex. */
    readonly planDigest: string,
    readonly createdAt: Date | undefined,
    readonly cost: registry.Cost | undefined,
    /** The public plan; only where the asset was fetched alone. Its digest has been recomputed. */
    readonly plan: Plan | undefined,
  ) {}

  static from(asset: registry.Asset | undefined): Asset {
    if (!asset)
      throw new ParleyError(
        Code.INTERNAL,
        "INCOMPLETE_ANSWER",
        "the access point answered without an asset",
        "Update the access point.",
      );
    const plan = asset.plan.length ? parsePlan(JSON.parse(asset.plan.toString("utf8"))) : undefined;
    const digest = asset.planDigest.toString("hex");
    if (plan && Buffer.from(planDigest(plan)).toString("hex") !== digest)
      throw new ParleyError(
        Code.DATA_LOSS,
        "PLAN_DIGEST",
        `the plan of asset ${asset.id} does not have the digest that is stated`,
        "Ask the model's owner; do not use it.",
      );
    const { id, organisationId, name, version, description, commitment, createdAt, cost } = asset;
    return new Asset(
      id,
      organisationId,
      name,
      version,
      description,
      commitment.toString("hex"),
      digest,
      createdAt,
      cost,
      plan,
    );
  }

  /** The plan. @throws ParleyError where this asset came from a listing */
  requirePlan(): Plan {
    if (this.plan) return this.plan;
    throw new ParleyError(
      Code.FAILED_PRECONDITION,
      "PLAN_MISSING",
      `asset ${this.id} came from a listing, without its plan`,
      "Fetch it with parley.asset(id).",
    );
  }

  /** Values per record that the model takes. */
  get inputSize(): number {
    return sizeOf(this.requirePlan().tensors[0]);
  }
}

export interface PublishOptions {
  readonly name: string;
  /** ONNX file, by path or content. */
  readonly model: string | Uint8Array;
  readonly description?: string;
  /** What inputs must satisfy. Without it [-256, 256]. */
  readonly inputSchema?: {
    readonly lo: number | readonly number[];
    readonly hi: number | readonly number[];
    readonly names?: readonly string[];
  };
  readonly labels?: readonly string[];
  /** One width for the whole plan: it then does not tell the ranges of single layers, and runs cost more. */
  readonly uniformWidth?: boolean;
  /** "network": every organisation sees it. "private": yours alone. */
  readonly visibility?: "network" | "private";
  /** Called with bytes sent and bytes in all. */
  readonly onProgress?: (sent: number, total: number) => void;
}

const PIECE = 1 << 20;

/** Publishes a model and returns the asset and the access point's warnings. */
export async function publish(
  client: MemberClient,
  options: PublishOptions,
): Promise<{ asset: Asset; warnings: string[] }> {
  const bytes = typeof options.model === "string" ? await readModel(options.model) : Buffer.from(options.model);
  const header = {
    name: options.name,
    description: options.description ?? "",
    inputSchema: options.inputSchema ? JSON.stringify(options.inputSchema) : "",
    visibility: options.visibility === "private" ? 2 : 1,
    labels: options.labels ? JSON.stringify(options.labels) : "",
    uniformWidth: options.uniformWidth ?? false,
  };
  function* messages() {
    yield { body: { $case: "header" as const, value: header } };
    for (let at = 0; at < bytes.length; at += PIECE) {
      yield { body: { $case: "chunk" as const, value: bytes.subarray(at, at + PIECE) } };
      options.onProgress?.(Math.min(at + PIECE, bytes.length), bytes.length);
    }
  }
  const { asset, warnings } = await client.publishAsset(messages());
  return { asset: Asset.from(asset), warnings };
}

async function readModel(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new ParleyError(
      Code.INVALID_ARGUMENT,
      "FILE_UNREADABLE",
      `${path} cannot be read`,
      "Check the path and its permissions.",
      {},
      { cause },
    );
  }
}
