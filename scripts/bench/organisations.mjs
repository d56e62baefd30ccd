// Two organisations and a dealer's operator: certificates, enrolment at the dealer, agreements, masks. The same steps as an
// access point takes, against the dealer's real service.
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import * as agreements from "../../libs/agreement/dist/index.js";
import { encodeWeights, maskWeights } from "../../libs/model/dist/index.js";
import { encodePlan, planDigest } from "../../libs/plan/dist/index.js";
import { dealer, enrolment } from "../../libs/proto/dist/index.js";
import { connect, pinnedChannelCredentials } from "../../libs/service-kit/dist/index.js";
import { testOrganisation } from "../../libs/service-kit/dist/testing/index.js";
import { createOperator } from "../../libs/testing/dist/system/index.js";
import { PARTY_CLIENT, PARTY_SERVER } from "./agreement-message.mjs";

const HOUR = 3_600_000;
const MAX_PREPARED = 64;
const MODEL_OWNER = "clinic-a";
const DATA_OWNER = "clinic-b";

export class Organisations {
  #parties = new Map();
  #dealer;

  static async make(folder) {
    const made = new Organisations();
    made.operator = await createOperator("dealer", join(folder, "dealer-operator"));
    for (const id of [MODEL_OWNER, DATA_OWNER])
      made.#parties.set(id, { test: await testOrganisation(id), key: agreements.generateSigningKey() });
    return made;
  }

  /** Fresh certificate of a worker, PEM: 0 of the model owner, 1 of the data owner. */
  async workerCertificate(party) {
    return (await this.#parties.get(party === 0 ? MODEL_OWNER : DATA_OWNER).test.certificate("worker")).current;
  }

  /** Enrols both at the dealer, once: a dealer that is started again on its database knows them. */
  async enrol(addresses) {
    if (this.#dealer) return;
    const admin = await this.operator.client(dealer.DealerServiceService, addresses.mtls);
    for (const [id, { test, key }] of this.#parties) {
      const { token } = await admin.createEnrolmentToken({ organisationId: id, validSeconds: 600 });
      const parsed = agreements.parseOneTimeToken(token);
      const credentials = pinnedChannelCredentials(await agreements.fetchIssuerAuthority(parsed));
      const desk = connect(enrolment.EnrolmentServiceService, { address: parsed.address, credentials });
      const secretHash = agreements.secretHashOf(parsed.secret);
      const { issuer } = await desk.enrol({
        secret: parsed.secret,
        organisation: {
          id,
          bundle: test.bundle.map((der) => Buffer.from(der)),
          signingKey: Buffer.from(key.publicKey),
          workerEndpoints: [],
          fingerprint: "",
          revoked: false,
        },
        proof: Buffer.from(agreements.enrolmentProof(key.privateKeyPem, secretHash, id)),
      });
      desk.close();
      this.#dealer = issuer;
    }
    admin.close();
  }

  /** An agreement on a model with a mask from the dealer: what the two workers are told. */
  async agree({ name, plan, weights }, dealerAddress) {
    const commitment = randomBytes(32);
    const jws = this.#sign(name, plan, commitment);
    const { digest, terms } = agreements.verifyAgreement(jws);
    const { maskId, maskNonce, masked } = await this.#mask({ plan, weights, commitment, jws }, dealerAddress);
    const agreement = {
      digest: Buffer.from(digest),
      jws,
      plan: Buffer.from(JSON.stringify(plan)),
      dealerAddress,
      expires: new Date(terms.expires),
      maskId,
      maskNonce,
      maskedWeightsDigest: createHash("sha256").update(masked).digest(),
      peerEndpoints: [],
    };
    const operands = { weights: encodeWeights(weights), masked };
    return {
      server: { agreement: { ...agreement, party: PARTY_SERVER }, ...operands },
      client: { agreement: { ...agreement, party: PARTY_CLIENT }, weights: new Uint8Array(0), masked },
    };
  }

  #sign(name, plan, commitment) {
    const party = (id) => {
      const { test, key } = this.#parties.get(id);
      return agreements.partyTerms({ org: id, signingKey: key.publicKey, bundle: test.bundle });
    };
    const signer = (id) => ({ org: id, privateKey: this.#parties.get(id).key.privateKeyPem });
    const terms = {
      format: "parley.agreement.v1",
      id: agreements.newId("agr"),
      operation: "predict",
      purpose: "benchmark",
      asset: {
        id: agreements.newId("mdl"),
        name,
        version: 1,
        commitment: commitment.toString("hex"),
        planDigest: Buffer.from(planDigest(plan)).toString("hex"),
      },
      modelOwner: party(MODEL_OWNER),
      dataOwner: party(DATA_OWNER),
      dealer: agreements.partyTerms({
        org: this.#dealer.id,
        signingKey: this.#dealer.signingKey,
        bundle: this.#dealer.bundle,
      }),
      records: 1e9,
      notBefore: new Date(Date.now() - 1000).toISOString(),
      expires: new Date(Date.now() + 24 * HOUR).toISOString(),
      output: { kind: "logits" },
      maxPrepared: MAX_PREPARED,
      perLayerWidths: true,
    };
    return agreements.acceptAgreement(agreements.offerAgreement(terms, signer(MODEL_OWNER)), signer(DATA_OWNER));
  }

  /** Has the dealer draw U; D = W - U. */
  async #mask({ plan, weights, commitment, jws }, address) {
    const own = await this.#parties.get(MODEL_OWNER).test.certificate("access-point");
    const server = { org: this.#dealer.id, role: "dealer", bundle: () => this.#dealer.bundle };
    const client = connect(dealer.DealerServiceService, { address, own, server });
    let head;
    const pieces = client.openMask({ agreement: jws, plan: Buffer.from(encodePlan(plan)), commitment });
    async function* chunks() {
      for await (const piece of pieces) {
        head ??= piece;
        if (piece.chunk.length > 0) yield piece.chunk;
      }
    }
    const masked = [];
    for await (const piece of maskWeights(plan, weights, chunks())) masked.push(piece);
    client.close();
    return { maskId: head.maskId, maskNonce: head.nonce, masked: Buffer.concat(masked) };
  }
}
