import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { kindOf } from "./kernel-kinds.mjs";

describe("kinds of kernels", () => {
  it.each([
    ["gateOpenLookUp", "lookUp"],
    ["gateFold", "fold"],
    ["gateSelect", "select"],
    ["rowsShort48", "linear"],
    ["gatherPairs", "linear"],
    ["addWords", "copy"],
    ["addPackWords", "copy"],
    ["touch", undefined],
  ])("%s is %s", (name, kind) => {
    expect(kindOf(name)).toBe(kind);
  });

  it("cover every kernel that there is", () => {
    const file = new URL("../../libs/ring/build/ring.wasm", import.meta.url);
    const names = WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(file))).map(({ name }) => name);
    expect(names).toContain("gateFold");
    for (const name of names) expect(() => kindOf(name)).not.toThrow();
  });

  it("do not take an unknown one for another", () => {
    expect(() => kindOf("newKernel")).toThrow("newKernel");
  });
});
