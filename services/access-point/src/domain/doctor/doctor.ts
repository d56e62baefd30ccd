import { fromServiceError, Findings, type common } from "@parley/proto";
import { MessageQueue, probeServer, type Logger } from "@parley/service-kit";
import type { Vault } from "../../store/vault.js";
import type { Fleet } from "../fleet/fleet.js";
import type { PartnerEndpoints } from "../fleet/partner-endpoints.js";
import type { OwnOrganisation } from "../own-organisation.js";
import { precondition } from "../refusal.js";
import type { Router } from "../router.js";
import { SOURCE, standing } from "./standing.js";
import { WorkerProbes } from "./worker-probes.js";

const SERVICES = ["identity", "registry", "agreements", "scheduler"] as const;
const DEFAULT_IDLE_MS = 2_000;
const MOST_IDLE_MS = 600_000;

/** Checks how everything is reached that this organisation needs, from here and from its workers. Uses connections of its own. */
export class Doctor {
  readonly workers: WorkerProbes;
  private busy = false;

  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly router: Router,
    private readonly fleet: Fleet,
    private readonly endpoints: PartnerEndpoints,
    private readonly logger: Logger,
  ) {
    this.workers = new WorkerProbes(fleet);
  }

  /** Findings as they come, of all places at once. @throws ParleyError FAILED_PRECONDITION while another check runs */
  async *check(idleMs: number, signal: AbortSignal): AsyncGenerator<common.Finding, void> {
    if (this.busy) throw precondition("CHECK_RUNS", "another check is under way", "Wait for its end, then try again.");
    this.busy = true;
    const idle = Math.min(idleMs || DEFAULT_IDLE_MS, MOST_IDLE_MS);
    const queue = new MessageQueue<common.Finding>();
    const end = () => queue.end();
    signal.addEventListener("abort", end, { once: true });
    const drain = async (findings: AsyncIterable<common.Finding>) => {
      try {
        for await (const finding of findings) {
          if (signal.aborted) return;
          queue.push(finding);
        }
      } catch (error) {
        this.logger.error({ err: error }, "check failed");
        const failed = new Findings(SOURCE, this.own.id);
        queue.push(
          failed.failed("check", fromServiceError(error).reason || "internal error", "See the access point's log."),
        );
      }
    };
    const all = this.probes(idle, signal).map(drain);
    void Promise.all(all).finally(end);
    try {
      yield* queue;
    } finally {
      signal.removeEventListener("abort", end);
      this.busy = false;
    }
  }

  private probes(idleMs: number, signal: AbortSignal): AsyncIterable<common.Finding>[] {
    const { own, vault, router, fleet, endpoints } = this;
    return [
      standing({ own, vault, router, fleet, endpoints }),
      ...SERVICES.flatMap((service) => this.operator("router", service, idleMs)),
      ...this.operator("dealer", "dealer", idleMs),
      ...fleet.workers.filter(({ draining }) => !draining).map((worker) => this.workers.run(worker, idleMs, signal)),
    ];
  }

  private operator(kind: "router" | "dealer", service: string, idleMs: number) {
    const issuer = this.vault.organisations.issuer(kind);
    if (!issuer) return []; // its missing enrolment is a finding
    const address = issuer.services[service];
    const hint = `Enrol again at the ${kind}; its operator sets PARLEY_SERVICE_ADDRESSES.`;
    const findings = new Findings(SOURCE, service);
    if (!address) return [only(findings.failed("address", `the ${kind} named no address of ${service}`, hint))];
    const server = { org: issuer.id, role: service, bundle: () => issuer.bundle };
    return [probeServer({ source: SOURCE, target: service, address, idleMs }, this.own.certificate, server)];
  }
}

async function* only(finding: common.Finding) {
  yield finding;
}
