import { maskBytes } from "@parley/plan";
import type { fleet, ServiceClient } from "@parley/proto";
import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { densePlan } from "../spec-support/network.js";
import type { WorkingAgreement } from "./agreement.js";
import { Operands } from "./operands.js";

describe("the operands of a worker", () => {
  const d = randomBytes(maskBytes(densePlan));
  const agreement = { id: "agreement", plan: densePlan } as WorkingAgreement;
  const mask = { id: randomBytes(32), nonce: randomBytes(16), digest: createHash("sha256").update(d).digest() };
  const counting = (bytes: Buffer) => {
    const calls = { loads: 0 };
    const client = {
      getMaskedWeights: async function* () {
        calls.loads++;
        yield { chunk: bytes.subarray(0, 8) };
        yield { chunk: bytes.subarray(8) };
      },
    } as Partial<ServiceClient<typeof fleet.FleetServiceService>>;
    return { calls, operands: new Operands(() => client as ServiceClient<typeof fleet.FleetServiceService>) };
  };

  it("hold D while its agreement is active, and forget it with the agreement", async () => {
    const { calls, operands } = counting(d);
    expect((await operands.stored(agreement, mask)).equals(d)).toBe(true);
    await operands.stored(agreement, mask);
    expect(calls.loads).toBe(1);
    operands.forget(agreement.id);
    await operands.stored(agreement, mask);
    expect(calls.loads).toBe(2);
  });

  it("refuse another D than the pinned one, and one that is too long, and do not remember the refusal", async () => {
    const { calls, operands } = counting(Buffer.alloc(d.length));
    await expect(operands.stored(agreement, mask)).rejects.toMatchObject({ reason: "MASKED_WEIGHTS_DIGEST" });
    await expect(operands.stored(agreement, mask)).rejects.toMatchObject({ reason: "MASKED_WEIGHTS_DIGEST" });
    expect(calls.loads).toBe(2);
    const long = counting(Buffer.concat([d, Buffer.alloc(1)]));
    await expect(long.operands.stored(agreement, mask)).rejects.toMatchObject({ reason: "TOO_LARGE" });
  });
});
