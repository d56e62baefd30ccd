import { describe, expect, it } from "vitest";
import { skewOf } from "./clock-skew.js";

const token = (payload: unknown) => `x.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.x`;

describe("skewOf", () => {
  it("tells how far the own clock is ahead or behind, and nothing within the round trip and the token's second", () => {
    expect(skewOf(token({ iat: 1_000 }), 1_000_400, 1_000_500)).toBe(0);
    expect(skewOf(token({ iat: 1_000 }), 999_100, 1_000_200)).toBe(0);
    expect(skewOf(token({ iat: 1_000 }), 1_031_000, 1_031_200)).toBe(30);
    expect(skewOf(token({ iat: 1_000 }), 939_800, 940_000)).toBe(-60);
  });

  it("says nothing about a token without a time", () => {
    for (const bad of ["", "x", "x.y.z", token({}), token({ iat: "now" }), token(null)])
      expect(skewOf(bad, 0, 1)).toBeUndefined();
  });
});
