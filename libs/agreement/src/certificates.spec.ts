import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  createAuthority,
  createKeyAndCsr,
  issueCertificate,
  loadAuthority,
  claimedName,
  thumbprint,
  verifyLeaf,
} from "./index.js";
import { organisationFingerprint } from "./index.js";

const keyPair = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const clinic = await createAuthority({ org: "clinic-a" });
const leafOf = async (authority = clinic, settings: { role?: string; validHours?: number } = {}) =>
  issueCertificate(authority, {
    org: authority.org,
    role: settings.role ?? "worker",
    dnsNames: ["localhost"],
    publicKey: keyPair().publicKey,
    validHours: settings.validHours ?? 24,
  });
const refused = (reason: string, message = /./) =>
  expect.objectContaining({ reason, message: expect.stringMatching(message) });
const thrown = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
};

describe("certificates", () => {
  it("verifies a leaf under its own authority and gives its name", async () => {
    const { der } = await leafOf();
    expect(verifyLeaf(der, [clinic.certificateDer])).toEqual({ org: "clinic-a", role: "worker" });
    expect(claimedName(der)).toEqual({ org: "clinic-a", role: "worker" });
    const node = new X509Certificate(der);
    expect(node.checkHost("localhost")).toBe("localhost");
    expect(node.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"]);
    expect(thumbprint(der).toString("hex")).toBe(node.fingerprint256.replaceAll(":", "").toLowerCase());
  });

  it("finds the authority in a bundle of several, for the time of a change", async () => {
    const next = await createAuthority({ org: "clinic-a" });
    const bundle = [clinic.certificateDer, next.certificateDer];
    expect(verifyLeaf((await leafOf(next)).der, bundle).org).toBe("clinic-a");
    expect(verifyLeaf((await leafOf()).der, bundle).org).toBe("clinic-a");
  });

  it("refuses a foreign authority that issues this organisation's name", async () => {
    const mallory = { ...(await createAuthority({ org: "mallory" })), org: "clinic-a" };
    const { der } = await leafOf(mallory);
    expect(claimedName(der).org).toBe("clinic-a");
    expect(thrown(() => verifyLeaf(der, [clinic.certificateDer]))).toEqual(
      refused("CERTIFICATE_INVALID", /not signed by an authority pinned for clinic-a/),
    );
  });

  it("refuses a foreign authority with the same subject", async () => {
    const twin = await createAuthority({ org: "clinic-a" });
    const { der } = await leafOf(twin);
    expect(thrown(() => verifyLeaf(der, [clinic.certificateDer]))).toEqual(refused("CERTIFICATE_INVALID"));
  });

  it("refuses an expired leaf and one from the future", async () => {
    const { der } = await leafOf(clinic, { validHours: 1 });
    const later = new Date(Date.now() + 3_700_000);
    expect(thrown(() => verifyLeaf(der, [clinic.certificateDer], later))).toEqual(
      refused("CERTIFICATE_INVALID", /expired/),
    );
    expect(thrown(() => verifyLeaf(der, [clinic.certificateDer], new Date(0)))).toEqual(
      refused("CERTIFICATE_INVALID", /not valid before/),
    );
  });

  it("refuses a leaf that issues (CA:FALSE)", async () => {
    const { privateKey, publicKey } = keyPair();
    const middle = await issueCertificate(clinic, {
      org: "clinic-a",
      role: "worker",
      dnsNames: [],
      publicKey,
      validHours: 24,
    });
    const privateKeyPem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    const issuer = { org: "clinic-a", certificateDer: middle.der, certificatePem: middle.pem, privateKeyPem };
    const { der } = await leafOf(issuer, { role: "access-point" });
    expect(thrown(() => verifyLeaf(der, [clinic.certificateDer]))).toEqual(
      refused("CERTIFICATE_INVALID", /not signed by/),
    );
    expect(thrown(() => verifyLeaf(der, [middle.der]))).toEqual(refused("CERTIFICATE_INVALID"));
  });

  it("refuses an authority presented as a leaf, and text that is no certificate", () => {
    expect(thrown(() => verifyLeaf(clinic.certificateDer, [clinic.certificateDer]))).toEqual(refused("NAME_INVALID"));
    expect(thrown(() => verifyLeaf(Buffer.from("nothing"), [clinic.certificateDer]))).toEqual(
      refused("CERTIFICATE_INVALID"),
    );
  });

  it("issues no names of others", async () => {
    const request = { org: "clinic-b", role: "worker", dnsNames: [], publicKey: keyPair().publicKey, validHours: 1 };
    await expect(issueCertificate(clinic, request)).rejects.toEqual(
      refused("NAME_INVALID", /cannot issue names of clinic-b/),
    );
  });

  it("issues from a signing request, whatever name that asks for", async () => {
    const { privateKeyPem, csrDer } = await createKeyAndCsr();
    const leaf = { org: "clinic-a", role: "worker", dnsNames: [], csrDer, validHours: 24 };
    const { der } = await issueCertificate(clinic, leaf);
    expect(verifyLeaf(der, [clinic.certificateDer])).toEqual({ org: "clinic-a", role: "worker" });
    expect(new X509Certificate(der).publicKey.equals(createPublicKey(privateKeyPem))).toBe(true);
  });

  it("refuses a signing request that was changed", async () => {
    const csrDer = Buffer.from((await createKeyAndCsr()).csrDer);
    csrDer[csrDer.length - 1] ^= 1;
    const leaf = { org: "clinic-a", role: "worker", dnsNames: [], csrDer, validHours: 24 };
    await expect(issueCertificate(clinic, leaf)).rejects.toEqual(refused("CERTIFICATE_SIGNING_REQUEST_INVALID"));
  });

  it("loads an authority and refuses another's key", async () => {
    expect(loadAuthority(clinic)).toEqual({ ...clinic, certificateDer: expect.any(Uint8Array) });
    const other = await createAuthority({ org: "clinic-a" });
    expect(thrown(() => loadAuthority({ ...clinic, privateKeyPem: other.privateKeyPem }))).toEqual(
      refused("CERTIFICATE_INVALID", /does not belong/),
    );
  });

  it.each(["", "Clinic", "a_b", "-a", "a/b", "a".repeat(64), "ä"])("refuses the name %j", async (org) => {
    await expect(createAuthority({ org })).rejects.toEqual(refused("NAME_INVALID"));
  });
});

describe("fingerprint of an organisation", () => {
  const keys = {
    id: "clinic-a",
    bundle: [clinic.certificateDer, Buffer.from("second")],
    signingKey: Buffer.alloc(32, 1),
  };
  it("does not depend on the order of the bundle, and on everything else", () => {
    const fingerprint = organisationFingerprint(keys);
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(organisationFingerprint({ ...keys, bundle: [...keys.bundle].reverse() })).toBe(fingerprint);
    for (const other of [
      { ...keys, id: "clinic-b" },
      { ...keys, bundle: [clinic.certificateDer] },
      { ...keys, signingKey: Buffer.alloc(32, 2) },
    ])
      expect(organisationFingerprint(other)).not.toBe(fingerprint);
  });
});
