import { pino } from "pino";
import { expect, it, vi } from "vitest";
import { FleetLink } from "../fleet/fleet-link.js";
import type { WorkingAgreement } from "../models/agreement.js";
import { densePlan } from "../spec-support/network.js";
import { ClientLots } from "./client-lots.js";

it("has no batches made while the own access point is away: they could not be recorded, and would count as unspent", async () => {
  const createBatches = vi.fn();
  const fleet = new FleetLink({} as never, {} as never, {} as never, pino({ enabled: false })); // attached to nobody
  const dependencies = { dealers: { createBatches }, fleet, lot: 4 } as never;
  const agreement = {
    plan: densePlan,
    terms: { asset: { id: "mdl_x" } },
    partner: { org: "clinic-a" },
  } as unknown as WorkingAgreement;
  const maskId = Buffer.alloc(32);
  const lots = new ClientLots(dependencies, { agreement, records: 1, maskId, announce() {}, requireOpen() {} });
  await expect(lots.next()).rejects.toMatchObject({ reason: "ACCESS_POINT_AWAY" });
  expect(createBatches).not.toHaveBeenCalled();
});
