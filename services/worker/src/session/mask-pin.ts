import { computeMaskId } from "@parley/correlation";
import { Code, ParleyError, type peer } from "@parley/proto";
import type { FleetLink } from "../fleet/fleet-link.js";
import type { AgreementSet } from "../models/agreement-set.js";
import type { WorkingAgreement } from "../models/agreement.js";
import type { PartnerConnection } from "../peer/partner-connection.js";
import { within } from "./within.js";

const differs = (message: string, hint: string) =>
  new ParleyError(Code.FAILED_PRECONDITION, "HELLO_DIFFERS", message, hint, { field: "maskId" });

/**
 * The mask that the model owner states: it must follow from the agreement, and be the one that this organisation pinned.
 * @throws ParleyError FAILED_PRECONDITION
 */
export async function pinMask(
  d: { readonly agreements: AgreementSet; readonly fleet: FleetLink },
  agreement: WorkingAgreement,
  { maskId, maskNonce, maskedWeightsDigest }: peer.Hello,
): Promise<NonNullable<WorkingAgreement["mask"]>> {
  if (maskNonce.length !== 16 || maskedWeightsDigest.length !== 32)
    throw differs("the model owner states no mask", "Its access point is not ready yet.");
  const commitment = Buffer.from(agreement.terms.asset.commitment, "hex");
  if (!maskId.equals(computeMaskId(agreement.planDigest, commitment, agreement.digest, maskNonce)))
    throw differs("the two workers differ in: mask id", "The mask is not one of this agreement's model.");
  const mask = { id: maskId, nonce: maskNonce, digest: maskedWeightsDigest };
  if (!agreement.mask) {
    const value = { agreementDigest: agreement.digest, maskId, maskNonce, maskedWeightsDigest };
    await d.fleet.ask({ $case: "pinMask", value });
    d.agreements.setMask(agreement.id, mask);
  }
  return mask;
}

/** D of a mask, in pieces, from the model owner's worker. All later sessions of the mask wait for this: a worker that stalls must not hold them. */
export async function* fetchMasked(connection: PartnerConnection, maskId: Buffer, timeoutMs: number) {
  const abort = new AbortController();
  const stream = connection.maskedWeights(maskId, abort.signal)[Symbol.asyncIterator]();
  const next = () => within(stream.next(), timeoutMs, () => abort.abort());
  try {
    for (let piece = await next(); !piece.done; piece = await next()) yield piece.value;
  } finally {
    abort.abort();
  }
}
