import { newId } from "@parley/agreement";
import { planDigest, type Plan } from "@parley/plan";
import { Code, ParleyError, type member, type registry } from "@parley/proto";
import { densePlan } from "./plans.js";

const PAGE = 2;

/** Models of a fake access point; those that are published all get the same plan. */
export function fakeAssets() {
  const all: registry.Asset[] = [];
  const uploads: { header: member.PublishAssetHeader; bytes: number }[] = [];
  const add = (name: string, plan: Plan): registry.Asset => {
    const asset: registry.Asset = {
      id: newId("mdl"),
      organisationId: "clinic-a",
      name,
      version: 1,
      description: "",
      commitment: Buffer.alloc(32, 7),
      plan: Buffer.from(JSON.stringify(plan)),
      planDigest: Buffer.from(planDigest(plan)),
      cost: {
        messages: 3,
        bytesP1ToP0: 100n,
        bytesP0ToP1: 50n,
        dealerBytesP0: 10n,
        dealerBytesP1: 20n,
        gates: 0n,
      },
      visibility: 1,
      archived: false,
      createdAt: new Date("2026-11-25T12:00:00Z"),
    };
    all.unshift(asset);
    return asset;
  };
  return {
    all,
    uploads,
    add,
    publish: (messages: readonly member.PublishAssetRequest[]) => {
      const [first, ...rest] = messages.map((message) => message.body);
      if (first?.$case !== "header") throw new ParleyError(Code.INVALID_ARGUMENT, "HEADER", "the header is missing");
      const chunks = rest.map((body) => (body?.$case === "chunk" ? body.value.length : 0));
      uploads.push({ header: first.value, bytes: chunks.reduce((a, b) => a + b, 0) });
      return { asset: add(first.value.name, densePlan([2])), warnings: first.value.inputSchema ? [] : ["no range"] };
    },
    unary: {
      getAsset: ({ assetId }: member.GetAssetRequest) => {
        const asset = all.find(({ id }) => id === assetId);
        if (asset) return { asset };
        throw new ParleyError(Code.NOT_FOUND, "ASSET_NOT_FOUND", `there is no asset ${assetId}`, "List them.");
      },
      listAssets: ({ page, query }: member.ListAssetsRequest) => {
        const at = Number(page?.token || 0);
        const found = all.filter(({ name }) => name.includes(query)).map((a) => ({ ...a, plan: Buffer.alloc(0) }));
        const nextToken = found.length > at + PAGE ? String(at + PAGE) : "";
        return { assets: found.slice(at, at + PAGE), nextToken };
      },
    },
  };
}
