import {
  acceptAgreement,
  generateSigningKey,
  newId,
  offerAgreement,
  partyTerms,
  verifyAgreement,
  type Terms,
} from "@parley/agreement";
import { Code, ParleyError, agreements } from "@parley/proto";
import { answerEach, implement, type Binding } from "@parley/service-kit";

const unused = () => Promise.reject(new ParleyError(Code.UNIMPLEMENTED, "UNIMPLEMENTED", "not in this test"));

/** An agreements service of a test: one signed agreement, a quota, and a record of what the scheduler told it. */
export class TestAgreements {
  readonly terms: Terms;
  readonly digest: string;
  readonly reserved = new Map<string, number>();
  readonly released: agreements.JobRelease[] = [];
  readonly audit: { action: string; subject: string; traceId: string; organisations: string[] }[] = [];
  quota = 1_000_000;
  readonly #jws: string;

  constructor(modelOwner: string, dataOwner: string) {
    const keys = [generateSigningKey(), generateSigningKey(), generateSigningKey()];
    const party = (org: string, index: number) =>
      partyTerms({ org, signingKey: keys[index].publicKey, bundle: [Buffer.from(org)] });
    this.terms = {
      format: "parley.agreement.v1",
      id: newId("agr"),
      operation: "predict",
      purpose: "screening",
      asset: { id: newId("mdl"), name: "net", version: 1, commitment: "ab".repeat(32), planDigest: "cd".repeat(32) },
      modelOwner: party(modelOwner, 0),
      dataOwner: party(dataOwner, 1),
      dealer: party("dealer", 2),
      records: this.quota,
      notBefore: new Date(Date.now() - 1000).toISOString(),
      expires: new Date(Date.now() + 86_400_000).toISOString(),
      output: { kind: "logits" },
      maxPrepared: 4,
      perLayerWidths: true,
    };
    const offer = offerAgreement(this.terms, { org: modelOwner, privateKey: keys[0].privateKeyPem });
    this.#jws = acceptAgreement(offer, { org: dataOwner, privateKey: keys[1].privateKeyPem });
    this.digest = verifyAgreement(this.#jws).digest.toString("hex");
  }

  /** Actions of the audit log about a job, in order. */
  actions(subject: string): string[] {
    return this.audit.filter((entry) => entry.subject === subject).map(({ action }) => action);
  }

  binding(): Binding {
    return implement<agreements.AgreementsServiceServer>(
      agreements.AgreementsServiceService,
      {
        offer: unused,
        accept: unused,
        getAgreement: unused,
        listAgreements: unused,
        revokeAgreement: unused,
        reportRuns: unused,
        listAudit: unused,
        watchAgreements: async function* () {
          yield await unused();
        },
        reserve: (requests, { signal }) =>
          answerEach(requests, signal, async ({ wishes, known }) => {
            const answers = wishes.map(({ jobId, records, agreementId }) => {
              const answer = (code: Code, reason: string) => ({ code, reason, message: reason, hint: "", details: {} });
              if (agreementId !== this.terms.id) return answer(Code.NOT_FOUND, "AGREEMENT_NOT_FOUND");
              const others = [...this.reserved].reduce((sum, [id, count]) => (id === jobId ? sum : sum + count), 0);
              if (others + records > this.quota) return answer(Code.RESOURCE_EXHAUSTED, "QUOTA_EXHAUSTED");
              this.reserved.set(jobId, records);
              return answer(Code.OK, "");
            });
            const held = agreements.Agreement.fromPartial({ id: this.terms.id, jws: this.#jws });
            return { answers, agreements: known.includes(this.terms.id) ? [] : [held] };
          }),
        release: async ({ jobs }) => {
          this.released.push(...jobs);
          return {};
        },
        listReservations: async () => {
          const ended = new Set(this.released.map(({ jobId }) => jobId));
          const open = [...this.reserved.keys()].filter((jobId) => !ended.has(jobId)).sort();
          return { reservations: open.map((jobId) => ({ jobId, agreementId: this.terms.id })) };
        },
        appendAudit: async ({ notes }) => {
          for (const { entry, organisations } of notes) {
            const { action = "", subject = "", traceId = "" } = entry ?? {};
            this.audit.push({ action, subject, traceId, organisations });
          }
          return { sequence: BigInt(this.audit.length) };
        },
      },
      { all: { roles: ["scheduler"], org: "router" } },
    );
  }
}
