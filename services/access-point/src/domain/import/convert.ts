import { encodeWeights, importOnnx, weightsCommitment } from "@parley/model";
import { PlanError, encodePlan, planDigest, sizeOf, type InputSchema } from "@parley/plan";

export interface ImportRequest {
  readonly onnx: Uint8Array;
  readonly inputSchema: InputSchema;
  readonly labels?: readonly string[];
  readonly uniformWidth: boolean;
  /** Key of the commitment, 32 bytes. */
  readonly commitmentKey: Uint8Array;
}

export interface ImportedModel {
  /** RFC 8785 JSON. */
  readonly plan: Uint8Array;
  readonly planDigest: Uint8Array;
  readonly commitment: Uint8Array;
  /** The vault's format. */
  readonly weights: Uint8Array;
}

export type ImportOutcome =
  | { readonly model: ImportedModel }
  | { readonly refusal: { readonly reason: string; readonly message: string; readonly hint: string } };

/** A run's input and output travel to a worker in one message of at most 8 MiB. */
const RUN_BYTES = 8 * 1024 * 1024;

/** An ONNX file as what the vault and the registry store, or why it is refused. */
export function convertModel({ onnx, inputSchema, labels, uniformWidth, commitmentKey }: ImportRequest): ImportOutcome {
  try {
    const { plan: proposed, weights } = importOnnx(onnx, { inputSchema, uniformWidth, ...(labels && { labels }) });
    const largest = 8 * Math.max(sizeOf(proposed.tensors[0]), sizeOf(proposed.tensors[proposed.output.tensor]));
    let { maxRecords } = proposed;
    while (maxRecords > 1 && maxRecords * largest > RUN_BYTES) maxRecords /= 2;
    const plan = { ...proposed, maxRecords };
    return {
      model: {
        plan: encodePlan(plan),
        planDigest: planDigest(plan),
        commitment: weightsCommitment(commitmentKey, weights),
        weights: encodeWeights(weights),
      },
    };
  } catch (error) {
    if (error instanceof PlanError)
      return { refusal: { reason: error.reason, message: error.message, hint: error.hint } };
    throw error;
  }
}
