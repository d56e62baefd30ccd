import type { fleet } from "@parley/proto";
import type { Logger, TrustStore } from "@parley/service-kit";
import { readAgreement, type WorkingAgreement } from "./agreement.js";

/** True where an agreement is gone, or its mask is another one: sessions end with their mask. */
const maskChanged = (before: WorkingAgreement["mask"], now: WorkingAgreement | undefined) =>
  now === undefined || (before !== undefined && !now.mask?.id.equals(before.id));

/** The active agreements, as the access point last sent them. One that is missing is ended. */
export class AgreementSet {
  #agreements = new Map<string, WorkingAgreement>();
  readonly #ended = new Set<(id: string) => void>();

  constructor(
    private readonly trust: TrustStore,
    private readonly logger: Logger,
  ) {}

  /** By digest, hex; only while it is active and not expired. */
  get(id: string): WorkingAgreement | undefined {
    const agreement = this.#agreements.get(id);
    return agreement && agreement.expires > new Date() ? agreement : undefined;
  }

  get ids(): string[] {
    return [...this.#agreements.keys()];
  }

  /** Called with the digest of each agreement that ends. */
  onEnd(listener: (id: string) => void): void {
    this.#ended.add(listener);
  }

  replace(messages: readonly fleet.ActiveAgreement[]): void {
    const next = new Map<string, WorkingAgreement>();
    for (const message of messages)
      try {
        const known = this.#agreements.get(message.digest.toString("hex"));
        const agreement = readAgreement(message, known);
        next.set(agreement.id, { ...agreement, mask: agreement.mask ?? known?.mask });
      } catch (error) {
        this.logger.warn({ err: error }, "an agreement was refused");
      }
    const ended = [...this.#agreements].filter(([id, { mask }]) => maskChanged(mask, next.get(id))).map(([id]) => id);
    this.#agreements = next;
    this.pinPartners();
    for (const id of ended) for (const listener of this.#ended) listener(id);
  }

  /** What a data owner's worker learnt of a mask; its access point has pinned it. */
  setMask(id: string, mask: NonNullable<WorkingAgreement["mask"]>): void {
    const agreement = this.#agreements.get(id);
    if (agreement) this.#agreements.set(id, { ...agreement, mask });
  }

  /** TLS admits the authorities of all partners; each session checks its own agreement's. */
  private pinPartners() {
    const bundles = new Map<string, Map<string, Uint8Array>>();
    for (const { partner, party } of this.#agreements.values()) {
      if (party !== 0) continue;
      const known = bundles.get(partner.org) ?? new Map<string, Uint8Array>();
      for (const der of partner.bundle) known.set(Buffer.from(der).toString("base64"), der);
      bundles.set(partner.org, known);
    }
    for (const org of this.trust.organisations) if (!bundles.has(org)) this.trust.removeBundle(org);
    for (const [org, known] of bundles) this.trust.setBundle(org, [...known.values()]);
  }
}
