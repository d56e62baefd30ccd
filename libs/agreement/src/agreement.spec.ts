import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  acceptAgreement,
  agreementDigest,
  offerAgreement,
  termsOf,
  verifyAgreement,
  verifyOffer,
} from "./agreement.js";
import { canonicalBytes } from "./canonical.js";
import { newId } from "./id.js";
import { signPayload, type Signature } from "./signature.js";
import { generateSigningKey } from "./signing-key.js";
import { partyTerms, pinnedKeys, type Terms } from "./terms.js";

const keys = {
  a: generateSigningKey(),
  b: generateSigningKey(),
  dealer: generateSigningKey(),
  mallory: generateSigningKey(),
};
const a = { org: "clinic-a", privateKey: keys.a.privateKeyPem };
const b = { org: "clinic-b", privateKey: keys.b.privateKeyPem };
const party = (org: string, signingKey: Uint8Array) =>
  partyTerms({ org, signingKey, bundle: [Buffer.from(`ca of ${org}`)] });
const terms = (change: Partial<Terms> = {}): Terms => ({
  format: "parley.agreement.v1",
  id: newId("agr"),
  operation: "predict",
  purpose: "screening",
  asset: { id: newId("mdl"), name: "net", version: 1, commitment: "ab".repeat(32), planDigest: "cd".repeat(32) },
  modelOwner: party("clinic-a", keys.a.publicKey),
  dataOwner: party("clinic-b", keys.b.publicKey),
  dealer: party("dealer", keys.dealer.publicKey),
  records: 1000,
  notBefore: "2026-01-01T00:00:00.000Z",
  expires: "2030-01-01T00:00:00.000Z",
  output: { kind: "logits" },
  maxPrepared: 4,
  perLayerWidths: true,
  ...change,
});
const now = new Date("2027-01-01T00:00:00.000Z");
const agreed = (change?: Partial<Terms>) => acceptAgreement(offerAgreement(terms(change), a), b, now);

interface Jws {
  payload: string;
  signatures: Signature[];
}
const edit = (jws: string, change: (jws: Jws) => void) => {
  const parsed = JSON.parse(jws) as Jws;
  change(parsed);
  return JSON.stringify(parsed);
};
const resign = (payload: Buffer) => {
  const text = payload.toString("base64url");
  const signatures = [signPayload(text, "parley.agreement.v1", a), signPayload(text, "parley.agreement.v1", b)];
  return JSON.stringify({ payload: text, signatures });
};
const refuses = (jws: string, reason: string, message = /./) =>
  expect(() => verifyAgreement(jws, { now })).toThrow(
    expect.objectContaining({ reason, message: expect.stringMatching(message) }),
  );

describe("agreements", () => {
  it("verifies what both signed, and gives the digest of the signed bytes", () => {
    const text = terms();
    const jws = acceptAgreement(offerAgreement(text, a), b, now);
    const verified = verifyAgreement(jws, { now });
    expect(verified.terms).toEqual(text);
    expect(verified.digest).toEqual(createHash("sha256").update(canonicalBytes(text)).digest());
    expect(agreementDigest(jws)).toEqual(verified.digest);
    expect(termsOf(jws)).toEqual(text);
    expect(agreementDigest(offerAgreement(text, a))).toEqual(verified.digest);
    expect(Buffer.from(pinnedKeys(verified.terms.modelOwner).signingKey)).toEqual(Buffer.from(keys.a.publicKey));
  });

  it("may be offered by the data owner as well", () => {
    const offer = offerAgreement(terms(), b);
    expect(verifyOffer(offer, { now }).signedBy).toBe("clinic-b");
    expect(verifyAgreement(acceptAgreement(offer, a, now), { now }).terms.records).toBe(1000);
  });

  it("refuses a changed payload", () => {
    const jws = edit(agreed(), (parsed) => {
      const text = JSON.parse(Buffer.from(parsed.payload, "base64url").toString()) as Terms;
      parsed.payload = canonicalBytes({ ...text, records: 1_000_000 }).toString("base64url");
    });
    refuses(jws, "SIGNATURE_INVALID");
  });

  it("refuses swapped signatures and swapped names", () => {
    const swap = (member: keyof Signature) =>
      edit(agreed(), (parsed) => {
        const [one, two] = parsed.signatures;
        parsed.signatures = [
          { ...one, [member]: two[member] },
          { ...two, [member]: one[member] },
        ];
      });
    refuses(swap("signature"), "SIGNATURE_INVALID", /clinic-a/);
    refuses(swap("protected"), "SIGNATURE_INVALID", /clinic-b/);
  });

  it("refuses one signature twice, one signature alone, and three", () => {
    const jws = agreed();
    refuses(
      edit(jws, (parsed) => (parsed.signatures[1] = parsed.signatures[0])),
      "SIGNATURE_INVALID",
      /twice/,
    );
    refuses(
      edit(jws, (parsed) => parsed.signatures.pop()),
      "SIGNATURE_INVALID",
      /signed by clinic-a only/,
    );
    refuses(
      edit(jws, (parsed) => parsed.signatures.push(parsed.signatures[0])),
      "TERMS_INVALID",
    );
  });

  it("refuses a party that signs under both names with one key", () => {
    const both = { modelOwner: party("clinic-a", keys.a.publicKey), dataOwner: party("clinic-b", keys.a.publicKey) };
    const text = canonicalBytes(terms(both));
    const payload = text.toString("base64url");
    const signatures = ["clinic-a", "clinic-b"].map((org) =>
      signPayload(payload, "parley.agreement.v1", { ...a, org }),
    );
    refuses(JSON.stringify({ payload, signatures }), "TERMS_INVALID", /different signing keys/);
  });

  it("refuses a signature by a key that the terms do not pin, and an outsider", () => {
    const payload = (JSON.parse(agreed()) as Jws).payload;
    const forged = signPayload(payload, "parley.agreement.v1", {
      org: "clinic-b",
      privateKey: keys.mallory.privateKeyPem,
    });
    refuses(
      edit(agreed(), (parsed) => ((parsed.payload = payload), (parsed.signatures[1] = forged))),
      "SIGNATURE_INVALID",
    );
    const outsider = signPayload(payload, "parley.agreement.v1", {
      org: "mallory",
      privateKey: keys.mallory.privateKeyPem,
    });
    refuses(
      edit(agreed(), (parsed) => (parsed.signatures[1] = outsider)),
      "SIGNATURE_INVALID",
      /not a party/,
    );
    expect(() => offerAgreement(terms(), { ...a, org: "mallory" })).toThrow(/not a party/);
  });

  it("refuses a signature that was made for another purpose", () => {
    const jws = edit(agreed(), (parsed) => {
      parsed.signatures[1] = signPayload(parsed.payload, "parley.revocation.v1", b);
    });
    refuses(jws, "SIGNATURE_INVALID", /header/);
  });

  it("refuses text that is not canonical although both signed it", () => {
    const text = terms();
    const canonical = canonicalBytes(text).toString();
    expect(verifyAgreement(resign(Buffer.from(canonical)), { now }).terms).toEqual(text);
    for (const other of [
      JSON.stringify(text),
      canonical.replace('"records":1000', '"records":1e3'),
      canonical.replace('"records":1000', '"records":1,"records":1000'),
      `${canonical}\n`,
      canonical.replace("screening", "scr\\u0065ening"),
    ])
      refuses(resign(Buffer.from(other)), "PAYLOAD_NOT_CANONICAL");
  });

  it("refuses base64url written another way", () => {
    refuses(
      edit(agreed(), (parsed) => (parsed.payload += "=")),
      "TERMS_INVALID",
    );
    refuses(
      edit(agreed(), (parsed) => Object.assign(parsed.signatures[0], { signature: "" })),
      "SIGNATURE_INVALID",
    );
  });

  it.each([
    ["an unknown member", { surprise: 1 }],
    ["another format", { format: "parley.agreement.v2" }],
    ["no records", { records: 0 }],
    ["another operation", { operation: "train" }],
    ["an end before its beginning", { expires: "2025-01-01T00:00:00.000Z" }],
    ["one organisation as two parties", { dealer: party("clinic-a", keys.dealer.publicKey) }],
    ["a short key", { dealer: { ...party("dealer", keys.dealer.publicKey), signingKey: "abc" } }],
  ])("refuses terms with %s", (_what, change) => {
    refuses(resign(canonicalBytes({ ...terms(), ...change })), "TERMS_INVALID");
  });

  it("keeps to the dates", () => {
    const jws = agreed();
    const at = (text: string) => () => verifyAgreement(jws, { now: new Date(text) });
    expect(at("2030-01-01T00:00:00.000Z")).toThrow(expect.objectContaining({ reason: "TERMS_EXPIRED" }));
    expect(at("2025-12-31T23:00:00.000Z")).toThrow(expect.objectContaining({ reason: "TERMS_NOT_YET_VALID" }));
    expect(at("2029-12-31T23:59:59.999Z")().terms.records).toBe(1000);
    expect(() => acceptAgreement(offerAgreement(terms(), a), b, new Date("2031-01-01"))).toThrow(/expired/);
  });

  it("is accepted by the other party only, once", () => {
    const offer = offerAgreement(terms(), a);
    expect(() => acceptAgreement(offer, a, now)).toThrow(/made this offer/);
    expect(() => acceptAgreement(acceptAgreement(offer, b, now), b, now)).toThrow(/two signatures/);
    expect(() => verifyOffer(agreed(), { now })).toThrow(/two signatures/);
  });

  it("refuses what is no agreement at all", () => {
    for (const text of ["", "{}", "[]", "null", '{"payload":"e30","signatures":[]}', "x".repeat(300_000)])
      refuses(text, "TERMS_INVALID");
  });
});
