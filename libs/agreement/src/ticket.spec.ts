import { createHmac, generateKeyPairSync } from "node:crypto";
import { SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, it } from "vitest";
import { newId } from "./id.js";
import { generateSigningKey, readPrivateKey } from "./signing-key.js";
import { signTicket, ticketKeySet, verifyTicket, type TicketClaims } from "./ticket.js";

const key = { kid: "k1", privateKey: generateSigningKey().privateKeyPem };
const jwks = ticketKeySet([key]);
const iat = Math.floor(Date.now() / 1000);
const claims = (change: Partial<TicketClaims> = {}): TicketClaims => ({
  iss: "router/scheduler",
  aud: ["clinic-a", "clinic-b"],
  jti: newId("att"),
  job: newId("job"),
  agreement: "ab".repeat(32),
  planDigest: "cd".repeat(32),
  org0: "clinic-a",
  org1: "clinic-b",
  operation: "predict",
  runs: [128, 64, 8],
  iat,
  exp: iat + 300,
  ...change,
});
/** Signs whatever it is given, as a scheduler that lies would. */
const mint = (payload: object, header: object = {}) =>
  new SignJWT({ ...payload })
    .setProtectedHeader({ alg: "EdDSA", typ: "parley-ticket+jwt", kid: "k1", ...header })
    .sign(readPrivateKey(key.privateKey));
const refused = (jwt: string, options = { audience: "clinic-a" }, keys: string = jwks) =>
  expect(() => verifyTicket(jwt, keys, options)).toThrow(
    expect.objectContaining({ reason: "ATTEMPT_TICKET_INVALID" }) as Error,
  );

describe("tickets", () => {
  it("verifies for both organisations and gives its claims", () => {
    const content = claims();
    const jwt = signTicket(content, key);
    expect(verifyTicket(jwt, jwks, { audience: "clinic-a" })).toEqual(content);
    expect(verifyTicket(jwt, jwks, { audience: "clinic-b" })).toEqual(content);
    expect(JSON.parse(jwks)).toEqual({ keys: [expect.not.objectContaining({ d: expect.anything() })] });
  });

  it("refuses another audience, key, type and algorithm", async () => {
    const jwt = signTicket(claims(), key);
    refused(jwt, { audience: "clinic-c" });
    refused(jwt, undefined, ticketKeySet([{ ...key, privateKey: generateSigningKey().privateKeyPem }]));
    refused(jwt, undefined, '{"keys":[]}');
    refused(await mint(claims(), { typ: "JWT" }));
    refused(new UnsecuredJWT({ ...claims() }).encode());
  });

  it("refuses an HMAC under the public key, and other signature algorithms of a key in the set", async () => {
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const input = `${encode({ alg: "HS256", typ: "parley-ticket+jwt", kid: "k1" })}.${encode(claims())}`;
    const [{ x }] = (JSON.parse(jwks) as { keys: { x: string }[] }).keys;
    const mac = createHmac("sha256", Buffer.from(x, "base64url")).update(input).digest("base64url");
    refused(`${input}.${mac}`);
    const oct = JSON.stringify({ keys: [{ kty: "oct", k: x, kid: "k1" }] });
    refused(`${input}.${mac}`, undefined, oct);
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const es256 = await new SignJWT({ ...claims() })
      .setProtectedHeader({ alg: "ES256", typ: "parley-ticket+jwt", kid: "k1" })
      .sign(ec.privateKey);
    refused(es256, undefined, JSON.stringify({ keys: [{ ...ec.publicKey.export({ format: "jwk" }), kid: "k1" }] }));
  });

  it("refuses one that lasts too long, has ended, or begins later", async () => {
    refused(await mint(claims({ exp: iat + 301 })));
    refused(await mint(claims({ iat: iat - 600, exp: iat - 300 })));
    refused(await mint(claims({ iat: iat + 120, exp: iat + 180 })));
    expect(() => signTicket(claims({ exp: iat + 3600 }), key)).toThrow(
      expect.objectContaining({ reason: "ATTEMPT_TICKET_INVALID" }) as Error,
    );
  });

  it.each([
    ["no attempt", { jti: undefined }],
    ["no end", { exp: undefined }],
    ["a run of no records", { runs: [0] }],
    ["no runs", { runs: [] }],
    ["another issuer", { iss: "mallory/scheduler" }],
    ["an audience that is not its organisations", { org1: "clinic-c" }],
    ["one organisation twice", { aud: ["clinic-a", "clinic-a"], org1: "clinic-a" }],
    ["a member that nobody reads", { admin: true }],
  ])("refuses %s", async (_what, change) => refused(await mint({ ...claims(), ...change })));

  it("refuses a header that asks for more, and a signature written otherwise", async () => {
    refused(await mint(claims(), { crit: ["b64"], b64: true }));
    refused(await mint(claims(), { jwk: {} }));
    refused(`${signTicket(claims(), key)}=`);
    refused(`${signTicket(claims(), key)}.`);
  });

  it("refuses a changed claim", () => {
    const [header, , signature] = signTicket(claims(), key).split(".");
    const other = Buffer.from(JSON.stringify(claims({ runs: [4096] }))).toString("base64url");
    refused(`${header}.${other}.${signature}`);
    refused("not.a.ticket");
  });
});
