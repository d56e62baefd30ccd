import { Code, ParleyError, type agreements } from "@parley/proto";
import { allPages } from "./pages.js";
import type { MemberClient } from "./parley.js";

export interface OfferOptions {
  readonly asset: string;
  /** Partner organisation. */
  readonly to: string;
  /** Records that may be revealed. */
  readonly records: number;
  readonly expires: Date;
  readonly output?: "logits";
  readonly purpose?: string;
  /** Sessions that may be prepared at once, over all workers: 1 to 64; the access point's default where it is left out. */
  readonly maxPrepared?: number;
}

/** Agreements of your organisation. */
export class Agreements {
  constructor(private readonly client: MemberClient) {}

  /** Signs and sends an offer on an own model. */
  async offer(options: OfferOptions): Promise<agreements.Agreement> {
    const { agreement } = await this.client.offerAgreement({
      assetId: options.asset,
      organisationId: options.to,
      records: BigInt(options.records),
      expires: options.expires,
      output: options.output ?? "logits",
      purpose: options.purpose ?? "",
      maxPrepared: options.maxPrepared ?? 0,
    });
    return present(agreement);
  }

  /** Counter-signs an offer. */
  async accept(id: string): Promise<agreements.Agreement> {
    return present((await this.client.acceptAgreement({ agreementId: id })).agreement);
  }

  /** One agreement with its signed terms (JSON) and whether this side is ready to run under it. */
  async get(id: string): Promise<{ agreement: agreements.Agreement; terms: string; ready: boolean }> {
    const answer = await this.client.getAgreement({ agreementId: id });
    return { agreement: present(answer.agreement), terms: answer.terms, ready: answer.ready };
  }

  list(): Promise<agreements.Agreement[]> {
    return allPages(async (page) => {
      const { agreements, nextToken } = await this.client.listAgreements({ state: 0, page });
      return { items: agreements, nextToken };
    });
  }

  async revoke(id: string, reason: string): Promise<agreements.Agreement> {
    return present((await this.client.revokeAgreement({ agreementId: id, reason })).agreement);
  }
}

function present<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw new ParleyError(
    Code.INTERNAL,
    "INCOMPLETE_ANSWER",
    "the access point answered without an agreement",
    "Update the access point.",
  );
}
