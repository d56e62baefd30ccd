import { newId } from "@parley/agreement";
import { agreements, Code, ParleyError, type member } from "@parley/proto";

/** Agreements of a fake access point: offered, accepted, revoked; nothing is signed. */
export function fakeAgreements() {
  const all = new Map<string, agreements.Agreement>();
  const find = (id: string) => {
    const found = all.get(id);
    if (found) return found;
    throw new ParleyError(Code.NOT_FOUND, "AGREEMENT_NOT_FOUND", `there is no agreement ${id}`, "List them.");
  };
  const move = (id: string, state: agreements.AgreementState) => {
    const agreement = { ...find(id), state };
    all.set(id, agreement);
    return { agreement };
  };
  return {
    all,
    unary: {
      offerAgreement: (request: member.OfferAgreementRequest) => {
        const agreement = agreements.Agreement.fromPartial({
          id: newId("agr"),
          state: agreements.AgreementState.AGREEMENT_STATE_OFFERED,
          modelOwner: "clinic-a",
          dataOwner: request.organisationId,
          assetId: request.assetId,
          quota: request.records,
          expires: request.expires,
          digest: Buffer.alloc(32, 1),
        });
        all.set(agreement.id, agreement);
        return { agreement };
      },
      acceptAgreement: ({ agreementId }: member.AcceptAgreementRequest) =>
        move(agreementId, agreements.AgreementState.AGREEMENT_STATE_ACTIVE),
      revokeAgreement: ({ agreementId }: member.RevokeAgreementRequest) =>
        move(agreementId, agreements.AgreementState.AGREEMENT_STATE_REVOKED),
      getAgreement: ({ agreementId }: member.GetAgreementRequest) => ({
        agreement: find(agreementId),
        terms: JSON.stringify({ purpose: "triage" }),
        ready: true,
      }),
      listAgreements: () => ({ agreements: [...all.values()], nextToken: "" }),
    },
  };
}
