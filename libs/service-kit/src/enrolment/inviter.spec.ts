import { describe, expect, it } from "vitest";
import { inviterOf } from "./inviter.js";

const of = (org: string, role: string) => ({ org, role });
const OFF = { domain: "router", selfTest: false };
const ON = { domain: "router", selfTest: true };

describe("inviterOf", () => {
  it("takes the operator's people for anybody", () => {
    expect(inviterOf(of("router", "operator"), "clinic-a", OFF)).toBe("router/operator");
    expect(() => inviterOf(of("clinic-a", "operator"), "clinic-a", ON)).toThrow("may not invite");
  });

  it("keeps names of self tests from real organisations, which an access point could take over", () => {
    expect(() => inviterOf(of("router", "operator"), "clinic-a-self-test", OFF)).toThrow("are for self tests");
  });

  it("takes an access point for its own self-test organisation, only where that is allowed", () => {
    const a = of("clinic-a", "access-point");
    expect(inviterOf(a, "clinic-a-self-test", ON)).toBe("clinic-a/access-point");
    expect(() => inviterOf(a, "clinic-a-self-test", OFF)).toThrow("may not invite clinic-a-self-test");
    for (const other of ["clinic-a", "clinic-b", "clinic-b-self-test", "clinic-a-self-test-self-test", "-self-test"])
      expect(() => inviterOf(a, other, ON), other).toThrow("may not invite");
    for (const role of ["worker", "identity"])
      expect(() => inviterOf(of("clinic-a", role), "clinic-a-self-test", ON)).toThrow();
    expect(() => inviterOf(undefined, "clinic-a-self-test", ON)).toThrow("may not invite anybody");
  });
});
