import { member, type common } from "@parley/proto";
import type { MemberClient } from "./parley.js";

/** Your own organisation and its partners. */
export class Organisations {
  constructor(private readonly client: MemberClient) {}

  /** An organisation and whether its fingerprint was compared; without a name your own. The dealer is "dealer". */
  async get(id = ""): Promise<{ organisation: common.Organisation | undefined; trusted: boolean }> {
    return this.client.getOrganisation({ organisationId: id });
  }

  /** Enrols your organisation with a one-time token of the router or the dealer. */
  enrol(token: string, operator: "router" | "dealer") {
    const kind = operator === "router" ? member.Operator.OPERATOR_ROUTER : member.Operator.OPERATOR_DEALER;
    return this.client.enrolOrganisation({ token, operator: kind });
  }

  /** Records that people compared the fingerprint of a partner, or of the dealer, out of band. */
  trust(id: string, fingerprint: string) {
    return this.client.trustOrganisation({ organisationId: id, fingerprint });
  }

  /**
   * Puts one of your workers out at once, by what it calls itself or by its id of the audit log (`wrk_...`). Administrators.
   * @returns ids of all workers that used the name; until `certificatesEnd` partners and the dealer still know their certificates
   * @throws ParleyError NOT_FOUND
   */
  async revokeWorker(name: string): Promise<{ workers: string[]; certificatesEnd: Date | undefined; streams: number }> {
    return this.client.revokeWorker({ name });
  }
}
