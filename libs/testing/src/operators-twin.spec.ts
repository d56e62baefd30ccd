import { evaluateFixedPoint, importOnnx } from "@parley/model";
import { OPERATOR_CASES } from "@parley/model/operator-cases";
import { encodeInput, sizeOf } from "@parley/plan";
import { describe, expect, it } from "vitest";
import { maskModel, runInMemory } from "./engine/run-in-memory.js";

const RECORDS = 2;

describe("every operator and option through the whole protocol equals the plaintext twin", () => {
  it.each(OPERATOR_CASES)("$name", async ({ onnx }) => {
    const { plan, weights } = importOnnx(onnx, { inputSchema: { lo: -1, hi: 1 } });
    const values = Float64Array.from({ length: RECORDS * sizeOf(plan.tensors[0]) }, (_, i) => ((i % 37) - 18) / 18);
    const input = encodeInput(plan, values, RECORDS);
    const { result } = await runInMemory(await maskModel(plan, weights), input, RECORDS);
    expect([...result]).toEqual([...evaluateFixedPoint(plan, weights, input, RECORDS)]);
  });
});
