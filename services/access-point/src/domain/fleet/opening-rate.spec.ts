import { describe, expect, it } from "vitest";
import { OpeningRate } from "./opening-rate.js";

describe("OpeningRate", () => {
  it("bounds the sessions of an agreement per minute, and of that agreement alone", () => {
    const rate = new OpeningRate("sessions were opened");
    const a = { digest: "a", id: "agr_a", maxPrepared: 4 };
    for (let i = 0; i < 2_400; i++) rate.require(a, 1000);
    expect(() => rate.require(a, 60_999)).toThrow("too many sessions were opened under agreement agr_a");
    rate.require({ digest: "b", id: "agr_b", maxPrepared: 4 }, 1000);
    rate.require(a, 61_001);
  });
});
