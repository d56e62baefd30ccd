import { Findings, type common, type fleet } from "@parley/proto";
import { MessageQueue } from "@parley/service-kit";
import type { AttachedWorker } from "../fleet/attached-worker.js";
import type { Fleet } from "../fleet/fleet.js";

/** How long a worker may take from one finding to the next, besides the time that it holds a silent connection. */
const PATIENCE_MS = 75_000;
/** Findings that are taken of one worker. */
const MOST = 2_000;

/** Probes that run in workers. */
export class WorkerProbes {
  private last = 0n;
  private readonly open = new Map<bigint, { worker: AttachedWorker; findings: MessageQueue<common.Finding> }>();

  constructor(
    private readonly fleet: Pick<Fleet, "workers">,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** What a worker says; of another worker's probe it says nothing. */
  take(worker: AttachedWorker, { probeId, findings, done }: fleet.ProbeFindings) {
    const probe = this.open.get(probeId);
    if (probe?.worker !== worker) return;
    for (const finding of findings) probe.findings.push({ ...finding, source: `worker ${worker.name}` });
    if (done) probe.findings.end();
  }

  /** Findings of one worker, as they come. */
  async *run(worker: AttachedWorker, idleMs: number, signal: AbortSignal): AsyncGenerator<common.Finding, void> {
    const probeId = ++this.last;
    const probe = { worker, findings: new MessageQueue<common.Finding>() };
    this.open.set(probeId, probe);
    const findings = new Findings(`worker ${worker.name}`, "");
    const end = () => probe.findings.end();
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      end();
    }, this.patienceMs + idleMs);
    const watch = setInterval(() => !this.fleet.workers.includes(worker) && end(), 250);
    signal.addEventListener("abort", end, { once: true });
    try {
      worker.send({ $case: "probe", value: { probeId, idleMs } });
      let count = 0;
      for await (const finding of probe.findings) {
        late.refresh();
        if (++count <= MOST) yield finding;
      }
      if (isLate)
        yield findings.failed(
          "probe",
          "the worker does not say what it finds",
          "It may be older than probes: upgrade it, or look at its log.",
        );
      else if (!this.fleet.workers.includes(worker))
        yield findings.failed("probe", "the worker went away meanwhile", "Look at its log.");
    } finally {
      clearTimeout(late);
      clearInterval(watch);
      signal.removeEventListener("abort", end);
      this.open.delete(probeId);
    }
  }
}
