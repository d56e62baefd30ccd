import { createAuthority } from "@parley/agreement";
import { Code, ParleyError } from "@parley/proto";
import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Parley } from "./parley.js";
import { isAway } from "./retry.js";
import { FakeAccessPoint } from "./testing/fake-access-point.js";
import { densePlan } from "./testing/plans.js";

let fake: FakeAccessPoint;
let parley: Parley;
beforeAll(async () => {
  fake = await FakeAccessPoint.start();
});
afterAll(() => fake.stop());
beforeEach(() => {
  parley = Parley.connect(fake.profile);
});
afterEach(() => {
  parley.close();
  fake.refuse.clear();
});

describe("Parley", () => {
  it("speaks TLS with the authority of its profile and its API key", async () => {
    expect(await parley.whoAmI()).toMatchObject({ user: "ada", organisation: { id: "clinic-b" } });
    const stranger = Parley.connect({ ...fake.profile, apiKey: "another-key-0123456789" });
    await expect(stranger.whoAmI()).rejects.toMatchObject({ code: Code.UNAUTHENTICATED, reason: "API_KEY" });
    stranger.close();
  });

  it("does not talk to an access point of another authority", async () => {
    const { certificatePem } = await createAuthority({ org: "clinic-b" });
    const deceived = Parley.connect({ ...fake.profile, ca: certificatePem });
    const calls = fake.calls.length;
    const error: unknown = await deceived.whoAmI().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: Code.UNAVAILABLE });
    expect(isAway(error)).toBe(true);
    expect(fake.calls.length).toBe(calls);
    deceived.close();
  });

  it("passes on reason, message and hint of a refusal", async () => {
    fake.refuse.set("getOrganisation", new ParleyError(Code.UNAVAILABLE, "ROUTER_AWAY", "the router is away", "Wait."));
    const error: unknown = await parley.organisations.get("clinic-a").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ParleyError);
    expect(error).toMatchObject({ reason: "ROUTER_AWAY", message: "the router is away", hint: "Wait." });
    expect(isAway(error)).toBe(false);
  });

  it("lists every page, without plans, and fetches one with its plan", async () => {
    const plan = densePlan([1, 2, 3]);
    const made = ["one", "two", "three", "four", "five"].map((name) => fake.assets.add(name, plan));
    const listed = await parley.assets();
    expect(listed.map(({ name }) => name)).toEqual(["five", "four", "three", "two", "one"]);
    expect((await parley.assets({ text: "t" })).map(({ name }) => name)).toEqual(["three", "two"]);
    expect(() => listed[0].requirePlan()).toThrow("came from a listing, without its plan");
    const asset = await parley.asset(made[0].id);
    expect(asset.requirePlan()).toEqual(plan);
    expect(asset.inputSize).toBe(6);
  });

  it("refuses an asset whose plan has another digest than stated", async () => {
    const lying = fake.assets.add("lying", densePlan([4]));
    lying.plan = Buffer.from(JSON.stringify(densePlan([5])));
    await expect(parley.asset(lying.id)).rejects.toMatchObject({ code: Code.DATA_LOSS, reason: "PLAN_DIGEST" });
  });

  it("says that an asset is unknown", async () => {
    await expect(parley.asset("mdl_x")).rejects.toMatchObject({ code: Code.NOT_FOUND, reason: "ASSET_NOT_FOUND" });
  });

  it("publishes a model of several pieces", async () => {
    const model = randomBytes((1 << 20) + 5);
    const steps: number[] = [];
    const { asset, warnings } = await parley.publish({
      name: "digits",
      model,
      inputSchema: { lo: 0, hi: 1 },
      labels: ["no", "yes"],
      visibility: "private",
      onProgress: (sent) => steps.push(sent),
    });
    expect(asset.name).toBe("digits");
    expect(warnings).toEqual([]);
    expect(steps).toEqual([1 << 20, model.length]);
    expect(fake.assets.uploads.at(-1)).toEqual({
      header: {
        name: "digits",
        description: "",
        inputSchema: '{"lo":0,"hi":1}',
        visibility: 2,
        labels: '["no","yes"]',
        uniformWidth: false,
      },
      bytes: model.length,
    });
    await expect(parley.publish({ name: "x", model: "missing.onnx" })).rejects.toThrow("missing.onnx cannot be read");
  });

  it("offers, accepts and revokes agreements", async () => {
    const expires = new Date("2027-12-31T23:59:59Z");
    const { id } = await parley.agreements.offer({ asset: "mdl_x", to: "clinic-b", records: 10, expires });
    expect(fake.agreements.all.get(id)).toMatchObject({ quota: 10n, dataOwner: "clinic-b", expires });
    expect((await parley.agreements.accept(id)).id).toBe(id);
    expect(await parley.agreements.get(id)).toMatchObject({ ready: true, terms: '{"purpose":"triage"}' });
    expect((await parley.agreements.list()).map((a) => a.id)).toEqual([id]);
    expect((await parley.agreements.revoke(id, "over")).id).toBe(id);
  });
});
