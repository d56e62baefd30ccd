import { describe, expect, it } from "vitest";
import { kindOf } from "./kernel-kinds.mjs";

describe("kinds of kernels", () => {
  it.each([
    ["gateOpenLookUp", "lookUp"],
    ["gateFold", "fold"],
    ["gateSelect", "select"],
    ["multiply32", "linear"],
    ["packWords", "copy"],
    ["addWords", "copy"],
    ["touch", undefined],
  ])("%s is %s", (name, kind) => {
    expect(kindOf(name)).toBe(kind);
  });
});
