import { WIDTHS, cost, inputsOf, knownOffline, type InputSchema, type Plan, type Step, type Width } from "@parley/plan";
import type { Draft, DraftValue } from "./draft.js";
import { outputWidth, widthFor } from "./widths.js";

/** A party holds its whole part of a run's batch: larger jobs are several runs. */
const PART_BYTES = 64 * 1024 * 1024;
const MOST_RECORDS = 128;

export interface PlanSettings {
  readonly schema: InputSchema;
  readonly featureScales: readonly number[] | undefined;
  readonly maxRecords: number | undefined;
  readonly outputShape: readonly number[];
  readonly head: Plan["output"]["head"];
  readonly factor: number;
  readonly labels: readonly string[] | undefined;
  /** One width for all steps, so that the plan does not tell the ranges of single layers. */
  readonly uniformWidth: boolean;
}

/**
 * Fills in what follows from the readers: from the output back, each tensor's modulus is what its readers need of it, and a
 * linear layer has the smallest width that covers its output's modulus; then the share kinds.
 */
export function finish(draft: Draft, output: DraftValue, settings: PlanSettings): Plan {
  const plan = assign(draft, output, settings);
  const widest = widestStep(plan);
  return settings.uniformWidth && widest !== undefined ? assign(draft, output, settings, widest) : plan;
}

/** The largest width of a step. What is proven within a width is proven within every larger one. */
const widestStep = (plan: Plan): Width | undefined =>
  WIDTHS.findLast((width) => plan.steps.some((step) => "width" in step && step.width === width));

function assign(draft: Draft, output: DraftValue, settings: PlanSettings, uniform?: Width): Plan {
  const needed = draft.tensors.map(() => 1);
  const width = outputWidth(nameOf(draft, output), output.ranges);
  needed[output.tensor] = width;
  const steps = draft.steps.map((step) => (uniform && "width" in step ? { ...step, width: uniform } : step));
  for (let i = steps.length - 1; i >= 0; i--) {
    const step = steps[i];
    if (step.op === "linear" && !uniform) steps[i] = { ...step, width: widthFor(step.name, needed[step.output]) };
    inputsOf(step).forEach(
      (tensor, side) => (needed[tensor] = Math.max(needed[tensor], need(steps[i], needed[step.output], side))),
    );
  }
  const tensors = draft.tensors.map((tensor, i) => ({
    shape: i === output.tensor ? settings.outputShape : tensor.shape,
    scale: tensor.scale,
    modulus: needed[i],
  }));
  const plan: Plan = {
    format: "parley.plan.v1",
    layout: 1,
    input: {
      tensor: 0,
      schema: settings.schema,
      ...(settings.featureScales && { featureScales: settings.featureScales }),
    },
    tensors,
    steps,
    output: {
      tensor: output.tensor,
      policy: { kind: "logits" },
      width,
      scale: output.scale,
      factor: settings.factor,
      head: settings.head,
      ...(settings.labels && { labels: settings.labels }),
    },
    maxRecords: 1,
  };
  const offline = knownOffline(plan);
  const shared = steps.map((step): Step =>
    "share" in step ? { ...step, share: offline.has(step.input) ? "offline" : "online" } : step,
  );
  const complete = { ...plan, steps: shared };
  return { ...complete, maxRecords: settings.maxRecords ?? defaultRecords(complete) };
}

/** Bits of a step's input that it needs for `bits` of its output. */
function need(step: Step, bits: number, side: number): number {
  switch (step.op) {
    case "linear":
    case "relu":
    case "truncate":
      return step.width;
    case "maxpool":
      return Math.max(step.width, bits); // max(a, b) = b + relu(a - b): b itself passes
    case "add":
      return bits - step.shifts[side];
    default:
      return bits;
  }
}

function nameOf(draft: Draft, output: DraftValue): string {
  return output.tensor === 0 ? "input" : draft.steps[output.tensor - 1].name;
}

function defaultRecords(plan: Plan): number {
  const fits = 2 ** Math.floor(Math.log2(PART_BYTES / cost(plan, 1).offline.dealerToP1));
  return Math.max(1, Math.min(MOST_RECORDS, fits));
}
