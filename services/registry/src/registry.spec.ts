import { newId } from "@parley/agreement";
import { encodePlan, planDigest, type Plan } from "@parley/plan";
import { Code, ParleyError, registry, type ServiceClient } from "@parley/proto";
import {
  RpcServer,
  AuditLog,
  connect,
  createLogger,
  mutualServerCredentials,
  openDatabase,
  TrustStore,
  type Database,
} from "@parley/service-kit";
import {
  DATABASE_KINDS,
  testDatabase,
  testOrganisation,
  type TestDatabase,
  type TestOrganisation,
} from "@parley/service-kit/testing";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { registryBinding } from "./rpc/registry.rpc.js";
import { AssetStore } from "./store/asset-store.js";
import * as schema from "./store/schema.js";

type Client = ServiceClient<typeof registry.RegistryServiceService>;

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: ParleyError) => `${Code[error.code]} ${error.reason}`,
  );

const plan: Plan = {
  format: "parley.plan.v1",
  layout: 1,
  input: { tensor: 0, schema: { lo: 0, hi: 1 } },
  tensors: [
    { shape: [4], scale: 16, modulus: 48 },
    { shape: [2], scale: 32, modulus: 48 },
  ],
  steps: [
    {
      op: "linear",
      name: "fc",
      input: 0,
      output: 1,
      shape: { kind: "dense", inFeatures: 4, outFeatures: 2 },
      weightScale: 16,
      weightBits: 32,
      width: 48,
      bias: true,
    },
  ],
  output: { tensor: 1, policy: { kind: "logits" }, width: 40, scale: 32, factor: 1, head: "none" },
  maxRecords: 128,
};

const asset = (name: string, changes: Partial<registry.Asset> = {}): registry.Asset => ({
  id: newId("mdl"),
  organisationId: "",
  name,
  version: 1,
  description: "100 % sure_thing",
  commitment: Buffer.alloc(32, 7),
  plan: Buffer.from(encodePlan(plan)),
  planDigest: Buffer.from(planDigest(plan)),
  cost: { messages: 2, bytesP1ToP0: 24n, bytesP0ToP1: 10n, dealerBytesP0: 0n, dealerBytesP1: 2n ** 40n, gates: 0n },
  visibility: registry.Visibility.VISIBILITY_NETWORK,
  createdAt: undefined,
  archived: false,
  ...changes,
});

describe.each(DATABASE_KINDS)("registry on %s", (kind) => {
  let target: TestDatabase | undefined;
  let database: Database<typeof schema>;
  let server: RpcServer;
  let a: Client;
  let b: Client;

  beforeAll(async () => {
    target = await testDatabase(kind);
    if (!target) return;
    const [router, clinicA, clinicB] = await Promise.all(["router", "clinic-a", "clinic-b"].map(testOrganisation));
    const migrationsFolder = fileURLToPath(new URL("../migrations", import.meta.url));
    database = await openDatabase({
      service: "registry",
      schema,
      migrationsFolder,
      url: target.url,
      dataDir: target.dataDir,
    });
    const trust = new TrustStore({ router: router.bundle, "clinic-a": clinicA.bundle, "clinic-b": clinicB.bundle });
    const binding = registryBinding({
      store: new AssetStore(database),
      audit: await AuditLog.open(database, "registry"),
    });
    // The token's own verification is identity's suite; here the certificate decides alone.
    const tokens = {
      verify: async (_: unknown, peer?: { org: string; role: string }) => ({
        org: peer?.org ?? "",
        role: peer?.role ?? "",
      }),
    };
    const credentials = mutualServerCredentials(await router.certificate("registry"), trust);
    server = new RpcServer({
      credentials,
      trust,
      tokens,
      logger: createLogger("registry", "error"),
      bindings: [binding],
    });
    const address = `localhost:${await server.listen("127.0.0.1:0")}`;
    const client = async (org: TestOrganisation) =>
      connect(registry.RegistryServiceService, {
        address,
        own: await org.certificate("access-point"),
        server: { org: "router", role: "registry", bundle: () => router.bundle },
      });
    [a, b] = [await client(clinicA), await client(clinicB)];
  });
  afterAll(async () => {
    a?.close();
    b?.close();
    await server?.close(200);
    await database?.close();
    await target?.remove();
  });

  it("stores an asset under the caller's name, and gives it back whole", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const made = asset("digits", { organisationId: "clinic-b" });
    await a.putAsset({ asset: made });
    const { asset: found } = await b.getAsset({ assetId: made.id });
    expect(found).toMatchObject({ ...made, organisationId: "clinic-a", createdAt: expect.any(Date) });
    expect((await a.putAsset({ asset: made })).asset?.id).toBe(made.id);
    expect(await refusal(a.putAsset({ asset: asset("digits") }))).toBe("ALREADY_EXISTS ASSET_EXISTS");
    expect(await refusal(b.putAsset({ asset: made }))).toBe("ALREADY_EXISTS ASSET_EXISTS");
  });

  it("hides private assets from others, and lists newest first without plans", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const hidden = asset("hidden", { visibility: registry.Visibility.VISIBILITY_PRIVATE });
    await a.putAsset({ asset: hidden });
    expect(await refusal(b.getAsset({ assetId: hidden.id }))).toBe("NOT_FOUND ASSET_NOT_FOUND");
    const later = asset("later");
    await a.putAsset({ asset: later });
    const list = (client: Client, query = "", limit = 0, token = "") =>
      client.listAssets({ organisationId: "", query, page: { limit, token } });
    expect((await list(a)).assets.map((x) => x.name)).toEqual(["later", "hidden", "digits"]);
    expect((await list(b)).assets.map((x) => x.name)).toEqual(["later", "digits"]);
    expect((await list(b)).assets[0].plan).toHaveLength(0);
    expect((await list(b, "DIG")).assets.map((x) => x.name)).toEqual(["digits"]);
    expect((await list(b, "0 % s")).assets).toHaveLength(2);
    expect((await list(b, "0_%")).assets).toHaveLength(0);
    const first = await list(a, "", 2);
    expect((await list(a, "", 2, first.nextToken)).assets.map((x) => x.name)).toEqual(["digits"]);
  });

  it("archives own assets only", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const made = asset("old");
    await a.putAsset({ asset: made });
    expect(await refusal(b.archiveAsset({ assetId: made.id }))).toBe("NOT_FOUND ASSET_NOT_FOUND");
    await a.archiveAsset({ assetId: made.id });
    expect((await a.getAsset({ assetId: made.id })).asset?.archived).toBe(true);
    expect((await a.listAssets({ organisationId: "", query: "old", page: undefined })).assets).toHaveLength(0);
  });

  it.for<[string, Partial<registry.Asset>, string]>([
    ["another digest", { planDigest: Buffer.alloc(32) }, "ASSET_INVALID"],
    ["a plan that is not JSON", { plan: Buffer.from("{") }, "ASSET_INVALID"],
    ["a short commitment", { commitment: Buffer.alloc(5) }, "ASSET_INVALID"],
    ["an id of another kind", { id: "job_1" }, "ASSET_INVALID"],
    ["no name", { name: " " }, "ASSET_INVALID"],
  ])("refuses %s", async ([, changes, reason], { skip }) => {
    if (!target) return skip("no PostgreSQL here");
    expect(await refusal(a.putAsset({ asset: asset("bad", changes) }))).toBe(`INVALID_ARGUMENT ${reason}`);
  });
});
