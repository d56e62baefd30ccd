import { Code, ParleyError } from "@parley/proto";
import type { Vault } from "../../store/vault.js";
import type { Changes } from "../changes.js";
import { pause } from "../pause.js";
import type { Router } from "../router.js";

/** Endpoints of a partner that are kept. */
const MOST = 64;
/** Only host:port: gRPC knows other schemes, which the router must not choose. */
const isAddress = (text: string) => /^(\[[0-9a-fA-F:]+\]|[a-zA-Z0-9.-]+):\d{1,5}$/.test(text);

/** Where partners' workers are reached, as the router says: an address grants nothing, since workers check the pinned bundle of who answers there. */
export class PartnerEndpoints {
  private readonly known = new Map<string, readonly string[]>();

  constructor(
    private readonly vault: Vault,
    private readonly router: Pick<Router, "identity">,
    private readonly changes: Changes,
  ) {}

  of(partner: string): string[] {
    return [...(this.known.get(partner) ?? [])];
  }

  /** Waits until a partner has published a worker. @throws ParleyError UNAVAILABLE after `ms` */
  async require(partner: string, ms: number): Promise<void> {
    for (const until = performance.now() + ms; this.of(partner).length === 0; await pause(200)) {
      if (performance.now() > until)
        throw new ParleyError(
          Code.UNAVAILABLE,
          "PARTNER_UNREACHABLE",
          `no worker of ${partner} is attached to its access point`,
          `Ask ${partner} to start one; the job is tried again.`,
        );
      await this.refresh();
    }
  }

  /** Asks for every partner whose model is used. True where all are known. */
  async refresh(): Promise<boolean> {
    const partners = new Set(
      this.vault.agreements
        .current()
        .filter(({ party }) => party === 1)
        .map(({ partner }) => partner),
    );
    let changed = false;
    for (const partner of partners) {
      const { organisation } = await this.router.identity.getOrganisation({ organisationId: partner });
      const endpoints = organisation?.revoked
        ? []
        : (organisation?.workerEndpoints ?? []).filter(isAddress).slice(0, MOST);
      if (endpoints.join() !== this.of(partner).join()) changed = true;
      this.known.set(partner, endpoints);
    }
    if (changed) this.changes.emit("agreements");
    return [...partners].every((partner) => this.of(partner).length > 0);
  }
}
