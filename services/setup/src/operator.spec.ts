import { claimedName, verifyLeaf } from "@parley/agreement";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureAuthority, ensureCertificate } from "./certificates.js";
import { setUpOperator, type OperatorSettings } from "./operator.js";
import { FakeApi } from "./spec-support/fake-api.js";

const ROUTER: OperatorSettings = {
  operator: "router",
  release: "r",
  domain: "router",
  dnsSuffix: "router.svc.cluster.local",
  extraDns: ["identity.example.org"],
  tls: true,
};
const TLS = ["r-identity-tls", "r-registry-tls", "r-agreements-tls", "r-scheduler-tls", "r-operator-tls"];

let api: FakeApi;
beforeEach(async () => {
  api = await FakeApi.start();
});
afterEach(() => api.stop());

describe("setUpOperator", () => {
  it("makes keys, an authority and a certificate per service, with the names under which it is called", async () => {
    expect(await setUpOperator(api.secrets(), ROUTER)).toEqual(["r-keys", ...TLS]);
    const keys = api.stored.get("r-keys")!.data;
    expect(Buffer.from(keys["ticket.kek"], "base64")).toHaveLength(32);
    expect(createPrivateKey(api.data("r-keys")["signing.pem"]).asymmetricKeyType).toBe("ed25519");
    const { "tls.crt": chain, "tls.key": key, "ca.crt": ca } = api.data("r-identity-tls");
    const leaf = new X509Certificate(chain);
    expect(leaf.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(verifyLeaf(leaf.raw, [new X509Certificate(ca).raw])).toMatchObject({ org: "router", role: "identity" });
    const names = ["r-identity", "r-identity.router", "r-identity.router.svc", "r-identity.router.svc.cluster.local"];
    for (const name of [...names, "localhost", "identity.example.org"])
      expect(leaf.checkHost(name), name).toBeDefined();
    expect(leaf.checkHost("r-registry")).toBeUndefined();
    expect(api.stored.get("r-identity-tls")!.type).toBe("kubernetes.io/tls");
  });

  it("changes nothing a second time", async () => {
    await setUpOperator(api.secrets(), ROUTER);
    const before = new Map([...api.stored].map(([name, { data }]) => [name, data]));
    expect(await setUpOperator(api.secrets(), ROUTER)).toEqual([]);
    expect(new Map([...api.stored].map(([name, { data }]) => [name, data]))).toEqual(before);
    expect(api.calls.filter((call) => call.startsWith("PUT"))).toEqual([]);
  });

  it("makes a dealer's Secrets under its release's own name", async () => {
    const dealer = { ...ROUTER, operator: "dealer", release: "dealer", domain: "dealer", extraDns: [] } as const;
    expect(await setUpOperator(api.secrets(), dealer)).toEqual([
      "dealer-keys",
      "dealer-dealer-tls",
      "dealer-operator-tls",
    ]);
    const leaf = new X509Certificate(api.data("dealer-dealer-tls")["tls.crt"]);
    expect(leaf.checkHost("dealer.router.svc")).toBeDefined();
    expect(Object.keys(api.data("dealer-keys"))).toEqual(["signing.pem", "dealer.kek"]);
  });

  it("makes keys only where certificates come from elsewhere", async () => {
    expect(await setUpOperator(api.secrets(), { ...ROUTER, tls: false })).toEqual(["r-keys"]);
  });

  it("renews a certificate past half of its life, and keeps authority and keys", async () => {
    await setUpOperator(api.secrets(), ROUTER);
    const [keys, ca, old] = ["r-keys", "r-ca", "r-identity-tls"].map((name) => api.data(name));
    const authority = await ensureAuthority(api.secrets(), "r-ca", "router");
    const settings = { name: "r-identity-tls", role: "identity", dnsNames: ["localhost"] };
    const days = (n: number) => new Date(Date.now() + n * 86_400_000);
    expect(await ensureCertificate(api.secrets(), authority, settings, days(44))).toBe(false);
    expect(await ensureCertificate(api.secrets(), authority, settings, days(46))).toBe(true);
    expect(api.data("r-identity-tls")["tls.crt"]).not.toBe(old["tls.crt"]);
    expect(claimedName(new X509Certificate(api.data("r-identity-tls")["tls.crt"]).raw).role).toBe("identity");
    expect([api.data("r-keys"), api.data("r-ca")]).toEqual([keys, ca]);
  });

  it("makes a certificate anew where it lacks a name", async () => {
    await setUpOperator(api.secrets(), ROUTER);
    const more = { ...ROUTER, extraDns: ["identity.example.org", "identity.example.net"] };
    expect(await setUpOperator(api.secrets(), more)).toEqual(TLS.slice(0, -1));
  });

  it("never makes a key in the place of one that was lost", async () => {
    await api.secrets().create("r-keys", { data: { "signing.pem": Buffer.from("x") } });
    await expect(setUpOperator(api.secrets(), ROUTER)).rejects.toThrow("r-keys lacks ticket.kek");
  });

  it("says what the API refused", async () => {
    await expect(setUpOperator(api.secrets("stolen"), ROUTER)).rejects.toThrow(
      "Secret r-keys: 403 secrets is forbidden",
    );
  });

  it("agrees with another Job that runs at the same time", async () => {
    await Promise.all([setUpOperator(api.secrets(), ROUTER), setUpOperator(api.secrets(), ROUTER)]);
    const ca = api.data("r-ca")["ca.crt"];
    for (const name of TLS) expect(api.data(name)["ca.crt"]).toBe(ca);
  });
});
