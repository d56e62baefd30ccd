import { malformed } from "./field-reader.js";
import { weightCount } from "./correlation.js";
import { knownOffline } from "./openings.js";
import { LIMITS } from "./limits.js";
import { sizeOf, type Plan, type Step, type Window } from "./plan.js";
import { inputsOf } from "./step-inputs.js";
import { everyWindowIsReal, fitsWindow } from "./window.js";

/**
 * What the fields of a plan must satisfy together: shapes, scales and moduli that agree, section 5's conditions on widths
 * and shifts, share kinds as section 6 defines them, no dead tensor, bounded sizes.
 * @throws PlanError INVALID_PLAN that names the step
 */
export function checkPlan(plan: Plan): void {
  const { steps, tensors, output } = plan;
  if (steps.length === 0) throw malformed("plan.steps", "at least one step");
  if (tensors.length !== steps.length + 1) throw malformed("plan.tensors", "the input and one tensor for each step");
  const sizes = tensors.map(sizeOf);
  sizes.forEach((size, i) =>
    require(size <= LIMITS.elements, `plan.tensors[${i}].shape`, `at most ${LIMITS.elements} elements`),
  );
  const total = sizes.reduce((a, b) => a + b, 0);
  require(total <= LIMITS.allElements, "plan.tensors", `at most ${LIMITS.allElements} elements in all`);
  const read = new Set([output.tensor, ...steps.flatMap(inputsOf)]);
  tensors.forEach((_, i) => require(read.has(i), `plan.tensors[${i}]`, "read by a step or the output"));
  const offline = knownOffline(plan);
  steps.forEach((step, i) => {
    const path = `plan.steps[${i}] ("${step.name}")`;
    checkStep(plan, step, sizes, path);
    if ("share" in step) {
      // r1 of a gate may leave P1 in one message only, so both parties must agree on which (protocol, section 6)
      const share = offline.has(step.input) ? "offline" : "online";
      require(step.share === share, `${path}.share`, `"${share}"`);
    }
  });
  const weights = steps.reduce((sum, _, index) => sum + weightCount(plan, index), 0);
  require(weights <= LIMITS.weights, "plan.steps", `at most ${LIMITS.weights} weights in all`);
  const result = tensors[output.tensor];
  require(output.width <= result.modulus, "plan.output.width", `at most ${result.modulus}, the modulus of its tensor`);
  require(output.scale === result.scale, "plan.output.scale", `${result.scale}, the scale of its tensor`);
  const classes = result.shape.at(-1) ?? 1;
  require(output.labels === undefined ||
    output.labels.length === classes, "plan.output.labels", `one name for each of the ${classes} classes`);
}

function require(condition: boolean, path: string, expected: string): void {
  if (!condition) throw malformed(path, expected);
}

function checkStep(plan: Plan, step: Step, sizes: readonly number[], path: string): void {
  const { tensors } = plan;
  const to = tensors[step.output];
  const outSize = sizes[step.output];
  const scaleIs = (scale: number): void => require(to.scale === scale, `${path}: scale of the output`, String(scale));
  const readable = (tensor: number, bits: number): void =>
    require(tensors[tensor].modulus >= bits, `${path}: modulus of tensor ${tensor}`, `at least ${bits}`);
  if (step.op === "add") {
    step.inputs.forEach((tensor, side) => {
      require(sizes[tensor] === outSize, `${path}: size of tensor ${tensor}`, String(outSize));
      scaleIs(tensors[tensor].scale + step.shifts[side]);
      readable(tensor, to.modulus - step.shifts[side]);
    });
    return;
  }
  const from = tensors[step.input];
  const inSize = sizes[step.input];
  switch (step.op) {
    case "linear": {
      const { shape } = step;
      if (shape.kind === "conv") {
        require(shape.inChannels % shape.groups === 0 &&
          shape.outChannels % shape.groups === 0, `${path}.shape.groups`, "a divisor of both channel counts");
        checkWindow(shape, shape.inChannels, shape.outChannels, inSize, outSize, `${path}.shape`);
      } else {
        require(shape.inFeatures === inSize, `${path}.shape.inFeatures`, String(inSize));
        require(shape.outFeatures === outSize, `${path}.shape.outFeatures`, String(outSize));
      }
      scaleIs(from.scale + step.weightScale);
      readable(step.input, step.width);
      require(to.modulus <= step.width, `${path}: modulus of the output`, `at most ${step.width}`);
      return;
    }
    case "relu":
    case "truncate":
      require(inSize === outSize, `${path}: size of the output`, String(inSize));
      require(step.shift <= step.width - 2, `${path}.shift`, `at most ${step.width - 2} at width ${step.width}`);
      scaleIs(from.scale - step.shift);
      readable(step.input, step.width);
      return;
    case "maxpool":
    case "sumpool":
      checkWindow(step.window, step.channels, step.channels, inSize, outSize, `${path}.window`);
      scaleIs(from.scale);
      readable(step.input, to.modulus);
      if (step.op === "sumpool") return;
      readable(step.input, step.width);
      require(everyWindowIsReal(step.window), `${path}.window`, "without windows that see padding only");
      return;
    case "add-constant":
      require(inSize === outSize, `${path}: size of the output`, String(inSize));
      scaleIs(from.scale);
      readable(step.input, to.modulus);
  }
}

function checkWindow(
  window: Window,
  inChannels: number,
  outChannels: number,
  inSize: number,
  outSize: number,
  path: string,
): void {
  require(inChannels * window.inHeight * window.inWidth === inSize, path, `over ${inSize} input elements`);
  require(outChannels * window.outHeight * window.outWidth === outSize, path, `over ${outSize} output elements`);
  require(fitsWindow(window), path, "with output dimensions that follow from kernel, strides, dilations and pads");
}
