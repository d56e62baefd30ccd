import { describe, expect, it } from "vitest";
import { canonicalBytes } from "./canonical.js";
import { newId, isId } from "./id.js";
import { parseSpiffe } from "./name.js";
import { signPayload } from "./signature.js";
import { generateSigningKey } from "./signing-key.js";
import { claimedStatementSigner, signStatement, verifyStatement } from "./statement.js";

const key = generateSigningKey();
const signer = { org: "clinic-a", privateKey: key.privateKeyPem };
const at = "2027-01-01T00:00:00.000Z";
const report = {
  agreement: newId("agr"),
  job: newId("job"),
  attempt: newId("att"),
  run: 0,
  records: 8,
  revealed: true,
  at,
};
const reason = (text: string) => expect.objectContaining({ reason: text });

describe("statements", () => {
  it("verifies under the key of its signer", () => {
    const jws = signStatement("run-report", report, signer);
    expect(claimedStatementSigner("run-report", jws)).toBe("clinic-a");
    expect(verifyStatement("run-report", jws, key.publicKey)).toEqual({ org: "clinic-a", body: report });
  });

  it("refuses another key, a changed body and another kind", () => {
    const jws = signStatement("run-report", report, signer);
    const [header, , signature] = jws.split(".");
    const other = canonicalBytes({ ...report, revealed: false }).toString("base64url");
    expect(() => verifyStatement("run-report", jws, generateSigningKey().publicKey)).toThrow(
      reason("SIGNATURE_INVALID"),
    );
    expect(() => verifyStatement("run-report", `${header}.${other}.${signature}`, key.publicKey)).toThrow(
      reason("SIGNATURE_INVALID"),
    );
    expect(() => verifyStatement("revocation", jws, key.publicKey)).toThrow(reason("STATEMENT_INVALID"));
    expect(() => verifyStatement("run-report", "a.b", key.publicKey)).toThrow(reason("STATEMENT_INVALID"));
  });

  it("refuses a body that is not canonical or not complete, although signed", () => {
    const signed = (text: string) => {
      const payload = Buffer.from(text).toString("base64url");
      const { protected: header, signature } = signPayload(payload, "parley.run-report.v1", signer);
      return `${header}.${payload}.${signature}`;
    };
    expect(() => verifyStatement("run-report", signed(JSON.stringify(report)), key.publicKey)).toThrow(
      reason("PAYLOAD_NOT_CANONICAL"),
    );
    const incomplete = canonicalBytes({ ...report, records: 0 }).toString();
    expect(() => verifyStatement("run-report", signed(incomplete), key.publicKey)).toThrow(reason("STATEMENT_INVALID"));
    expect(() => signStatement("run-report", { ...report, run: -1 }, signer)).toThrow(reason("STATEMENT_INVALID"));
  });
});

describe("ids", () => {
  it("sort by time and differ", () => {
    const ids = [1, 2, 3, 2 ** 40].map((time) => newId("job", time));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(Array.from({ length: 1000 }, () => newId("att"))).size).toBe(1000);
  });
  it("are 26 characters of base32 behind their prefix", () => {
    const id = newId("agr");
    expect(id).toMatch(/^agr_[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(isId("agr", id)).toBe(true);
    expect(isId("job", id)).toBe(false);
    expect(isId("agr", `${id}0`)).toBe(false);
    expect(isId("agr", id.toLowerCase())).toBe(false);
  });
  it("hold the time in front, most significant first", () => {
    expect(newId("mdl", 2 ** 48 - 1).slice(4, 14)).toBe("7ZZZZZZZZZ");
    expect(newId("mdl", 0).slice(4, 13)).toBe("000000000");
  });
});

describe("SPIFFE names", () => {
  it("reads organisation and role", () => expect(parseSpiffe("spiffe://a/b")).toEqual({ org: "a", role: "b" }));
  it.each([
    "spiffe://a",
    "spiffe://a/b/c",
    "http://a/b",
    "spiffe://a/b?x",
    "spiffe:///b",
    "spiffe://a/",
    "spiffe://u@a/b",
  ])("refuses %s", (uri) => expect(() => parseSpiffe(uri)).toThrow(reason("NAME_INVALID")));
});
