import { generateKeyPairSync } from "node:crypto";
import { createServer, type Server } from "node:tls";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  createAuthority,
  createOneTimeToken,
  enrolmentProof,
  fetchIssuerAuthority,
  generateSigningKey,
  issueCertificate,
  parseOneTimeToken,
  secretHashOf,
  verifyEnrolmentProof,
  type Authority,
} from "./index.js";

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** A TLS server that presents a leaf and, where given, an authority; counts the bytes it receives. */
async function issuer(signedBy: Authority, presented: Authority = signedBy) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const leaf = await issueCertificate(signedBy, {
    org: signedBy.org,
    role: "identity",
    dnsNames: ["localhost"],
    publicKey,
    validHours: 1,
  });
  const received: Buffer[] = [];
  const server = createServer({
    key: privateKey.export({ format: "pem", type: "pkcs8" }),
    cert: leaf.pem + presented.certificatePem,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
  });
  server.on("secureConnection", (socket) => socket.on("data", (data) => received.push(data)).on("error", () => {}));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return { address: `localhost:${(server.address() as AddressInfo).port}`, received };
}

describe("one-time tokens", () => {
  it("carries address, authority, secret and end", async () => {
    const router = await createAuthority({ org: "router" });
    const { token, secretHash, expires } = createOneTimeToken({
      address: "router.example:8443",
      caDer: router.certificateDer,
      validSeconds: 60,
    });
    const parsed = parseOneTimeToken(`${token}\n`);
    expect(parsed.address).toBe("router.example:8443");
    expect(parsed.expires).toEqual(expires);
    expect(secretHashOf(parsed.secret)).toEqual(secretHash);
    expect(parsed.secret.length).toBe(32);
  });

  it("refuses an expired one and one that is damaged, without repeating it", () => {
    const { token } = createOneTimeToken({ address: "localhost:1", caDer: Buffer.from("ca"), validSeconds: 60 });
    expect(() => parseOneTimeToken(token, new Date(Date.now() + 61_000))).toThrow(
      expect.objectContaining({ reason: "ONE_TIME_TOKEN_EXPIRED" }),
    );
    for (const text of ["", "abc", token.slice(0, -5), Buffer.from('{"v":1}').toString("base64url")]) {
      let error: unknown;
      try {
        parseOneTimeToken(text);
      } catch (caught) {
        error = caught;
      }
      expect(error).toMatchObject({ reason: "ONE_TIME_TOKEN_INVALID" });
      expect((error as Error).cause).toBeUndefined();
      if (text !== "") expect(String(error)).not.toContain(text);
    }
  });

  it("fetches the authority that the token names", async () => {
    const router = await createAuthority({ org: "router" });
    const { address, received } = await issuer(router);
    const { token } = createOneTimeToken({ address, caDer: router.certificateDer, validSeconds: 60 });
    expect(await fetchIssuerAuthority(parseOneTimeToken(token))).toBe(router.certificatePem);
    expect(received).toEqual([]);
  });

  it("refuses a server with another authority, before anything is sent", async () => {
    const router = await createAuthority({ org: "router" });
    const { address, received } = await issuer(await createAuthority({ org: "router" }));
    const { token } = createOneTimeToken({ address, caDer: router.certificateDer, validSeconds: 60 });
    await expect(fetchIssuerAuthority(parseOneTimeToken(token))).rejects.toMatchObject({
      reason: "AUTHORITY_MISMATCH",
    });
    expect(received).toEqual([]);
  });

  it("refuses a server that presents the named authority beside a leaf of its own", async () => {
    const router = await createAuthority({ org: "router" });
    const { address } = await issuer(await createAuthority({ org: "router" }), router);
    const { token } = createOneTimeToken({ address, caDer: router.certificateDer, validSeconds: 60 });
    await expect(fetchIssuerAuthority(parseOneTimeToken(token))).rejects.toMatchObject({
      reason: expect.stringMatching(/^(AUTHORITY_MISMATCH|CERTIFICATE_INVALID)$/),
    });
  });

  it("says where nothing answers", async () => {
    const { token } = createOneTimeToken({ address: "localhost:1", caDer: Buffer.from("ca"), validSeconds: 60 });
    await expect(fetchIssuerAuthority(parseOneTimeToken(token))).rejects.toMatchObject({
      reason: "AUTHORITY_UNREACHABLE",
      message: expect.stringContaining("localhost:1"),
    });
  });
});

describe("proof of an enrolment", () => {
  const key = generateSigningKey();
  const secretHash = secretHashOf(Buffer.alloc(32, 7));
  it("holds for its key, secret and name only", () => {
    const proof = enrolmentProof(key.privateKeyPem, secretHash, "clinic-a");
    expect(proof.length).toBe(64);
    expect(verifyEnrolmentProof(key.publicKey, secretHash, "clinic-a", proof)).toBe(true);
    expect(verifyEnrolmentProof(key.publicKey, secretHash, "clinic-b", proof)).toBe(false);
    expect(verifyEnrolmentProof(key.publicKey, secretHashOf(Buffer.alloc(32)), "clinic-a", proof)).toBe(false);
    expect(verifyEnrolmentProof(generateSigningKey().publicKey, secretHash, "clinic-a", proof)).toBe(false);
    expect(() => verifyEnrolmentProof(Buffer.alloc(31), secretHash, "clinic-a", proof)).toThrow(/32 bytes/);
  });
});
