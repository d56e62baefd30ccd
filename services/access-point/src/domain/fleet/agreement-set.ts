import { fleet } from "@parley/proto";
import type { HeldAgreement } from "../../store/agreements.js";
import { dateOf, seconds } from "../../store/database.js";
import type { Vault } from "../../store/vault.js";
import type { Fleet } from "./fleet.js";
import type { PartnerEndpoints } from "./partner-endpoints.js";

/** Longest wait that a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Tells the workers which agreements are in force: at each change, and at the moment when one starts or ends by its dates. */
export class AgreementSet {
  private timer: NodeJS.Timeout | undefined;
  private last: Buffer | undefined;

  constructor(
    private readonly vault: Vault,
    private readonly fleet: Fleet,
    private readonly endpoints: PartnerEndpoints,
    private readonly onDue: () => void,
  ) {}

  current(): fleet.AgreementSet {
    const dealerAddress = this.vault.organisations.issuer("dealer")?.services.dealer ?? "";
    const agreements = this.vault.agreements
      .current()
      // A model that is not masked yet cannot run.
      .filter(({ party, maskId }) => party === 1 || maskId !== undefined)
      .map((agreement) => this.describe(agreement, dealerAddress));
    return { agreements };
  }

  /** Sends the set to all workers where it differs from what they have. */
  push() {
    this.arm();
    const set = this.current();
    const bytes = Buffer.from(fleet.AgreementSet.encode(set).finish());
    if (this.last?.equals(bytes)) return;
    this.last = bytes;
    for (const worker of this.fleet.workers) worker.send({ $case: "agreements", value: set });
  }

  stop() {
    clearTimeout(this.timer);
  }

  private arm() {
    clearTimeout(this.timer);
    const next = this.vault.agreements.nextChange();
    if (next === undefined) return;
    const ms = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil((next - seconds()) * 1000)));
    this.timer = setTimeout(() => {
      this.push();
      this.onDue();
    }, ms);
    this.timer.unref();
  }

  private describe(agreement: HeldAgreement, dealerAddress: string): fleet.ActiveAgreement {
    const bytes = (hex: string | undefined) => Buffer.from(hex ?? "", "hex");
    return {
      digest: bytes(agreement.digest),
      jws: agreement.jws,
      party: agreement.party === 0 ? fleet.Party.PARTY_SERVER : fleet.Party.PARTY_CLIENT,
      plan: agreement.plan,
      maskId: bytes(agreement.maskId),
      maskNonce: bytes(agreement.maskNonce),
      maskedWeightsDigest: bytes(agreement.maskedDigest),
      peerEndpoints: agreement.party === 1 ? this.endpoints.of(agreement.partner) : [],
      dealerAddress,
      expires: dateOf(agreement.expiresAt),
    };
  }
}
