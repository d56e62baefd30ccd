export { AgreementError, type AgreementReason } from "./error.js";
export { isId, newId, type IdPrefix } from "./id.js";
export { isName, parseSpiffe, spiffeName, type PeerName } from "./name.js";
export { createAuthority, issueCertificate, loadAuthority, type Authority, type LeafRequest } from "./authority.js";
export { createKeyAndCsr } from "./certificate-request.js";
export { claimedName, thumbprint, verifyLeaf } from "./leaf.js";
export { generateSigningKey, signingPublicKey, type PrivateKey, type Signer } from "./signing-key.js";
export {
  enrolmentProof,
  organisationFingerprint,
  verifyEnrolmentProof,
  type OrganisationKeys,
} from "./organisation.js";
export { createOneTimeToken, parseOneTimeToken, secretHashOf, type OneTimeToken } from "./one-time-token.js";
export { fetchIssuerAuthority } from "./issuer-authority.js";
export { partyTerms, pinnedKeys, type PartyTerms, type PinnedKeys, type Terms } from "./terms.js";
export {
  acceptAgreement,
  agreementDigest,
  offerAgreement,
  termsOf,
  verifyAgreement,
  verifyOffer,
  type VerifiedAgreement,
} from "./agreement.js";
export {
  claimedStatementSigner,
  signStatement,
  verifyStatement,
  type Statement,
  type StatementType,
} from "./statement.js";
export { signTicket, TICKET_SECONDS, ticketKeySet, verifyTicket, type TicketClaims, type TicketKey } from "./ticket.js";
