import { Findings, type common, type fleet } from "@parley/proto";
import { probeServer, type CertificateHolder, type ServerPlace } from "@parley/service-kit";
import { createHash } from "node:crypto";
import type { AgreementSet } from "../models/agreement-set.js";
import type { PinnedKeys } from "@parley/agreement";

interface Place {
  readonly target: string;
  readonly address: string;
  readonly role: "dealer" | "worker";
  readonly keys: Pick<PinnedKeys, "org" | "bundle">;
}

/** Messages between workers are at most this large. */
const PEER_MESSAGE_BYTES = 1 << 20;
/** Places that one probe looks at. */
const MOST_PLACES = 64;
const MOST_IDLE_MS = 600_000;

/** Looks how the dealers and the partners' workers of all agreements are reached from here, on connections of its own. One probe at a time. */
export class PeerProbe {
  private busy = false;

  constructor(
    private readonly own: CertificateHolder,
    private readonly agreements: Pick<AgreementSet, "ids" | "get">,
    private readonly tell: (findings: fleet.ProbeFindings) => void,
  ) {}

  /** Tells each finding as it is made, and at last that there are no more. */
  async run({ probeId, idleMs }: fleet.Probe): Promise<void> {
    const say = (...findings: common.Finding[]) => this.tell({ probeId, findings, done: false });
    const source = "worker"; // the access point knows which
    if (this.busy) say(new Findings(source, "").skipped("probe", "another probe is under way", "Try again shortly."));
    else {
      this.busy = true;
      const idle = Math.min(idleMs, MOST_IDLE_MS);
      const one = async (place: Place) => {
        for await (const finding of this.look(place, source, idle)) say(finding);
      };
      await Promise.all(this.places().map(one)).finally(() => (this.busy = false));
    }
    this.tell({ probeId, findings: [], done: true });
  }

  private look({ target, address, role, keys }: Place, source: string, idleMs: number) {
    const size = role === "worker" ? { messageBytes: PEER_MESSAGE_BYTES } : {};
    const place: ServerPlace = { source, target, address, idleMs, ...size };
    return probeServer(place, this.own, { org: keys.org, role, bundle: () => keys.bundle });
  }

  /** Each place once, though several agreements name it; another bundle is another place. */
  private places(): Place[] {
    const places = new Map<string, Place>();
    const add = (place: Place) => {
      const bundle = createHash("sha256").update(Buffer.concat(place.keys.bundle)).digest("hex");
      places.set(`${place.role} ${place.address} ${place.keys.org} ${bundle}`, place);
    };
    for (const id of this.agreements.ids) {
      const agreement = this.agreements.get(id);
      if (!agreement) continue;
      const { dealer, dealerAddress, partner, peerEndpoints, party } = agreement;
      if (dealerAddress) add({ target: "dealer", address: dealerAddress, role: "dealer", keys: dealer });
      if (party === 1)
        for (const address of peerEndpoints) add({ target: partner.org, address, role: "worker", keys: partner });
    }
    return [...places.values()].slice(0, MOST_PLACES);
  }
}
