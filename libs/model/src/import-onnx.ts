import {
  DEFAULT_SCHEMA,
  integerBounds,
  parseInputSchema,
  parsePlan,
  type InputSchema,
  type Plan,
  type Weights,
} from "@parley/plan";
import { finish } from "./lowering/finish.js";
import { chooseInputScales, type InputScales } from "./lowering/input-scales.js";
import { lower } from "./lowering/lower.js";
import { hull, type Ranges } from "./lowering/ranges.js";
import { RangeProofError } from "./lowering/widths.js";
import { buildNetwork } from "./network/build-network.js";
import { foldDiagonals } from "./network/fold-diagonals.js";
import { orderRelus } from "./network/order-relus.js";
import { resolveAverages } from "./network/resolve-averages.js";
import { decodeModel } from "./onnx/decode-model.js";

export interface ImportOptions {
  /** What inputs the data owner may give; without one, every value from -256 to 256. */
  readonly inputSchema?: InputSchema;
  /** Records of the largest run, a power of two; by default chosen from the model's size, at most 128. */
  readonly maxRecords?: number;
  /** Class names, one for each value of the output's last dimension. */
  readonly labels?: readonly string[];
  /** One width for the whole plan, the largest that a layer needs: says less about the weights, and costs more. */
  readonly uniformWidth?: boolean;
}

/** The proven bounds of a step's output, over all inputs that the schema admits. Private: they follow from the weights. */
export interface StepRange {
  readonly step: number;
  readonly name: string;
  readonly lo: bigint;
  readonly hi: bigint;
}

export interface Model {
  readonly plan: Plan;
  readonly weights: Weights;
  readonly provenOn: readonly StepRange[];
}

/** Coarser weights that are tried where the ranges of the preferred ones pass 62 bits. */
const COARSER = [0, 4, 8];

/**
 * An ONNX file as a public plan and private integer weights.
 * @throws PlanError that names the node, tensor, layer or field
 */
export function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): Model {
  const network = buildNetwork(decodeModel(bytes));
  foldDiagonals(network);
  orderRelus(network);
  const features = network.sizes[0];
  const schema = parseInputSchema(options.inputSchema ?? DEFAULT_SCHEMA, features);
  const scales = chooseInputScales(network, schema);
  const { inputScale, featureScales } = scales;
  resolveAverages(network, featureScales && Float64Array.from(featureScales, (bits) => 2 ** -bits));
  const input = inputRanges(schema, features, scales);
  const { plan, draft } = proven((coarser) => {
    const { draft, output } = lower(network, { inputScale, input, coarser });
    const { outputShape, head, factor } = network;
    const { maxRecords, labels, uniformWidth = false } = options;
    return {
      draft,
      plan: parsePlan(
        finish(draft, output, { schema, featureScales, maxRecords, outputShape, head, factor, labels, uniformWidth }),
      ),
    };
  });
  const provenOn = plan.steps.map((step, i) => ({ step: i, name: step.name, ...hull(draft.ranges[step.output]) }));
  return { plan, weights: draft.weights, provenOn };
}

/** The first attempt of which all ranges are proven. @throws RangeProofError of the last one */
function proven<T>(attempt: (coarser: number) => T): T {
  for (const coarser of COARSER.slice(0, -1)) {
    try {
      return attempt(coarser);
    } catch (error) {
      if (!(error instanceof RangeProofError)) throw error;
    }
  }
  return attempt(COARSER[COARSER.length - 1]);
}

function inputRanges(schema: InputSchema, features: number, { inputScale, featureScales }: InputScales): Ranges {
  const perFeature = typeof schema.lo !== "number" || typeof schema.hi !== "number";
  const { lo, hi } = integerBounds(schema, perFeature ? features : 1, inputScale, featureScales);
  return { lo: Array.from(lo, BigInt), hi: Array.from(hi, BigInt) };
}
