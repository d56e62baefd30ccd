import { Code, member, ParleyError, type common } from "@parley/proto";

const organisation = (id: string, fill: string): common.Organisation => ({
  id,
  bundle: [],
  signingKey: Buffer.alloc(32),
  fingerprint: fill.repeat(64),
  workerEndpoints: [`${id}.example:8443`],
  revoked: false,
});

/** clinic-b itself, its trusted partner clinic-a, and clinic-z, whom nobody has compared yet. */
export const fakeOrganisations = () => ({
  whoAmI: () => ({
    organisation: organisation("clinic-b", "b"),
    user: "ada",
    roles: ["scientist"],
    version: "0.1.0",
    enrolledAt: ["router", "dealer"],
  }),
  getOrganisation: ({ organisationId }: member.GetOrganisationRequest) => {
    const known: Record<string, string> = { "": "b", "clinic-a": "a", "clinic-z": "2" };
    if (!(organisationId in known))
      throw new ParleyError(
        Code.NOT_FOUND,
        "ORGANISATION_NOT_FOUND",
        `there is no ${organisationId}`,
        "Check the name.",
      );
    const found = organisation(organisationId || "clinic-b", known[organisationId]);
    return { organisation: found, trusted: organisationId === "clinic-a" };
  },
  enrolOrganisation: ({ operator }: member.EnrolOrganisationRequest) => ({
    organisation: organisation("clinic-b", "b"),
    issuer: organisation(operator === member.Operator.OPERATOR_ROUTER ? "router" : "dealer", "e"),
  }),
  trustOrganisation: ({ organisationId, fingerprint }: member.TrustOrganisationRequest) => ({
    organisation: { ...organisation(organisationId, "a"), fingerprint },
  }),
  createWorkerToken: ({ validSeconds, reusable }: member.CreateWorkerTokenRequest) => ({
    token: `${reusable ? "reusable" : "worker"}-token-for-${validSeconds}-s`,
    expires: new Date("2027-01-01"),
  }),
  revokeWorkerTokens: () => ({ revoked: 2 }),
  revokeWorker: ({ name }: member.RevokeWorkerRequest) => {
    if (name !== "clinic-b-worker-1")
      throw new ParleyError(Code.NOT_FOUND, "WORKER_UNKNOWN", `no worker is called ${name}`, "Check the name.");
    return { workers: ["wrk_0123456789ab"], certificatesEnd: new Date("2027-01-01"), streams: 1 };
  },
  revokeApiKey: () => ({}),
  createApiKey: ({ user }: member.CreateApiKeyRequest) => ({ apiKey: `key-of-${user}` }),
});
