import { createOneTimeToken, isName } from "@parley/agreement";
import { Code, ParleyError, identity, type common } from "@parley/proto";
import { implement, inviterOf, type AuditLog, type Binding, type TrustStore } from "@parley/service-kit";
import type { OrganisationFeed } from "../domain/organisation-feed.js";
import type { TokenIssuer } from "../domain/token-issuer.js";
import type { OrganisationStore } from "../store/organisation-store.js";

export interface IdentityDependencies {
  readonly store: OrganisationStore;
  readonly feed: OrganisationFeed;
  readonly tokens: TokenIssuer;
  readonly audit: AuditLog;
  readonly trust: TrustStore;
  /** Of the router itself. */
  readonly domain: string;
  /** Whether access points may invite their self-test organisations. */
  readonly selfTest: boolean;
  readonly authorityDer: Buffer;
  /** Announced address of the enrolment listener. */
  readonly enrolAddress: () => string;
}

const DAY = 86_400;
const MAX_TOKEN_SECONDS = 30 * DAY;
const ROUTER_SERVICES = ["registry", "agreements", "scheduler", "console"];
const MAX_PAGE = 1000;

const notFound = (id: string) =>
  new ParleyError(
    Code.NOT_FOUND,
    "ORGANISATION_NOT_FOUND",
    `organisation ${id} is not enrolled here`,
    "Check the name; organisations enrol with a token of the router's operator.",
  );

export function identityBinding(d: IdentityDependencies): Binding {
  const found = (organisation: common.Organisation | undefined, id: string) => {
    if (!organisation) throw notFound(id);
    return organisation;
  };
  const operator = { roles: ["operator"], org: d.domain };
  const inviters = { roles: ["operator", "access-point"] };
  const anyone = { roles: ["access-point", "operator", ...ROUTER_SERVICES] };
  return implement<identity.IdentityServiceServer>(
    identity.IdentityServiceService,
    {
      createEnrolmentToken: async ({ organisationId, validSeconds }, { peer }) => {
        const actor = inviterOf(peer, organisationId, d);
        if (!isName(organisationId))
          throw new ParleyError(
            Code.INVALID_ARGUMENT,
            "NAME_INVALID",
            `"${organisationId}" cannot be the name of an organisation`,
            "Use lower-case letters, digits and hyphens.",
          );
        const seconds = Math.min(validSeconds || DAY, MAX_TOKEN_SECONDS);
        const { token, secretHash, expires } = createOneTimeToken({
          address: d.enrolAddress(),
          caDer: d.authorityDer,
          validSeconds: seconds,
        });
        await d.store.addToken(secretHash, organisationId, expires);
        await d.audit.append({
          action: "enrolment-token.created",
          actor,
          subject: organisationId,
        });
        return { token, expires };
      },
      issueToken: async (_, { peer }) => {
        if (!peer) throw new Error("mutual TLS gives a peer");
        return d.tokens.issue(peer);
      },
      getKeys: async () => ({ jwks: d.tokens.jwks }),
      getOrganisation: async ({ organisationId }) => ({
        organisation: found(await d.store.get(organisationId), organisationId),
      }),
      listOrganisations: async ({ page }) => {
        const limit = Math.min(page?.limit || 100, MAX_PAGE);
        const organisations = await d.store.list(page?.token ?? "", limit);
        return { organisations, nextToken: organisations.length === limit ? organisations[limit - 1].id : "" };
      },
      watchOrganisations: async function* (_, { signal }) {
        const changes = d.feed.changes(signal); // before the listing: nothing between the two is missed
        const first = changes.next();
        for (let after = ""; ;) {
          const page = await d.store.list(after, MAX_PAGE);
          for (const organisation of page) yield { organisation, synchronised: false };
          if (page.length < MAX_PAGE) break;
          after = page[page.length - 1].id;
        }
        yield { organisation: undefined, synchronised: true };
        for (let change = await first; !change.done; change = await changes.next())
          yield { organisation: change.value, synchronised: false };
      },
      updateEndpoints: async ({ workerEndpoints }, { peer }) => {
        const id = peer?.org ?? "";
        const organisation = found(await d.store.setEndpoints(id, workerEndpoints.slice(0, 64)), id);
        d.feed.publish(organisation);
        await d.audit.append({ action: "organisation.endpoints", actor: id, subject: id, organisations: [id] });
        return { organisation };
      },
      revokeOrganisation: async ({ organisationId, reason }) => {
        const organisation = found(await d.store.revoke(organisationId), organisationId);
        d.trust.removeBundle(organisationId);
        d.feed.publish(organisation);
        await d.audit.append({
          action: "organisation.revoked",
          actor: `${d.domain}/operator`,
          subject: organisationId,
          details: { reason },
          organisations: [organisationId],
        });
        return {};
      },
    },
    {
      all: anyone,
      except: {
        createEnrolmentToken: inviters,
        revokeOrganisation: operator,
        watchOrganisations: { roles: ROUTER_SERVICES, org: d.domain },
        issueToken: { roles: ["access-point"] },
        updateEndpoints: { roles: ["access-point"] },
      },
    },
  );
}
