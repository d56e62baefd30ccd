import { Code, ParleyError, registry } from "@parley/proto";
import { implement, type AuditLog, type Binding, type CallContext } from "@parley/service-kit";
import { checkAsset } from "../domain/check-asset.js";
import type { AssetStore } from "../store/asset-store.js";

const MAX_PAGE = 500;

const notFound = (id: string) =>
  new ParleyError(
    Code.NOT_FOUND,
    "ASSET_NOT_FOUND",
    `there is no asset ${id.slice(0, 60)} that you may see`,
    "List them with: parley asset list",
  );

const callerOf = ({ token }: CallContext) => {
  if (!token) throw new Error("the access rule asks for a token");
  return token.org;
};

export function registryBinding({ store, audit }: { store: AssetStore; audit: AuditLog }): Binding {
  return implement<registry.RegistryServiceServer>(
    registry.RegistryServiceService,
    {
      putAsset: async ({ asset }, context) => {
        const organisationId = callerOf(context);
        if (!asset)
          throw new ParleyError(
            Code.INVALID_ARGUMENT,
            "ASSET_INVALID",
            "no asset was given",
            "Update the access point.",
          );
        checkAsset(asset);
        const inserted = await store.insert({ ...asset, organisationId });
        const stored = await store.get(asset.id, organisationId);
        if (
          !inserted &&
          !(
            stored?.organisationId === organisationId &&
            stored.planDigest.equals(asset.planDigest) &&
            stored.commitment.equals(asset.commitment)
          )
        )
          throw new ParleyError(
            Code.ALREADY_EXISTS,
            "ASSET_EXISTS",
            `version ${asset.version} of "${asset.name}" exists already`,
            "Publish it as a new version.",
          );
        if (inserted)
          await audit.append({
            action: "asset.published",
            actor: organisationId,
            subject: asset.id,
            details: { name: asset.name, version: asset.version },
            organisations: [organisationId],
          });
        return { asset: stored };
      },
      getAsset: async ({ assetId }, context) => {
        const asset = await store.get(assetId, callerOf(context));
        if (!asset) throw notFound(assetId);
        return { asset };
      },
      listAssets: async ({ organisationId, query, page }, context) => {
        const limit = Math.min(page?.limit || 100, MAX_PAGE);
        const assets = await store.list({
          organisation: callerOf(context),
          owner: organisationId,
          text: query.slice(0, 200),
          before: page?.token ?? "",
          limit,
        });
        return { assets, nextToken: assets.length === limit ? assets[limit - 1].id : "" };
      },
      archiveAsset: async ({ assetId }, context) => {
        const organisationId = callerOf(context);
        if (!(await store.archive(assetId, organisationId))) throw notFound(assetId);
        await audit.append({
          action: "asset.archived",
          actor: organisationId,
          subject: assetId,
          organisations: [organisationId],
        });
        return {};
      },
    },
    { all: { roles: ["access-point"], token: true } },
  );
}
