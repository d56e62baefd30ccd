import { isId } from "@parley/agreement";
import { PlanError, parsePlan, planDigest } from "@parley/plan";
import { Code, ParleyError, type registry } from "@parley/proto";

const MAX_NAME = 128;
const MAX_DESCRIPTION = 4096;

const invalid = (message: string, hint: string) =>
  new ParleyError(Code.INVALID_ARGUMENT, "ASSET_INVALID", message, hint);

/** Refuses an asset that is not whole, or whose plan has another digest than stated. @throws ParleyError INVALID_ARGUMENT */
export function checkAsset(asset: registry.Asset): void {
  if (!isId("mdl", asset.id))
    throw invalid(`"${asset.id.slice(0, 60)}" is not an asset id`, 'Ids are "mdl_" and 26 characters.');
  if (!asset.name.trim() || asset.name.length > MAX_NAME)
    throw invalid(`the name must have 1 to ${MAX_NAME} characters`, "Choose another name.");
  if (asset.description.length > MAX_DESCRIPTION)
    throw invalid(`the description is longer than ${MAX_DESCRIPTION} characters`, "Shorten it.");
  if (asset.version < 1) throw invalid("versions count from 1", "Give a version.");
  if (asset.commitment.length !== 32) throw invalid("the commitment must have 32 bytes", "Update the access point.");
  let digest: Uint8Array;
  try {
    digest = planDigest(parsePlan(JSON.parse(asset.plan.toString("utf8"))));
  } catch (error) {
    if (error instanceof PlanError)
      throw new ParleyError(Code.INVALID_ARGUMENT, error.reason, error.message, error.hint, {}, { cause: error });
    throw invalid("the plan is not JSON", "Update the access point.");
  }
  if (!asset.planDigest.equals(digest))
    throw invalid("the plan does not have the digest that is stated", "Update the access point.");
}
