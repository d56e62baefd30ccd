import type { fleet } from "@parley/proto";
import type { FleetLink } from "../fleet/fleet-link.js";
import type { WorkingAgreement } from "../models/agreement.js";
import { tellRefusal } from "../telemetry/run-telemetry.js";

/** Has the own access point record batches durably, before any byte of theirs is used. @throws ParleyError ALREADY_EXISTS */
export async function recordBatches(
  link: Pick<FleetLink, "ask">,
  agreement: WorkingAgreement,
  records: number,
  batchIds: readonly Buffer[],
  party: fleet.Party,
  traceparent = "",
): Promise<void> {
  const { digest: agreementDigest } = agreement;
  await Promise.all(
    batchIds.map((batchId) =>
      link.ask({ $case: "recordBatch", value: { batchId, agreementDigest, records, party, traceparent } }),
    ),
  ).catch(tellRefusal);
}
