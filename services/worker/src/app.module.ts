import { Module, type DynamicModule, type OnApplicationShutdown } from "@nestjs/common";
import { fleet } from "@parley/proto";
import { TrustStore, connect, thumbprintOf, type Logger } from "@parley/service-kit";
import { polls, type Config } from "./config.js";
import { DealerLink } from "./dealing/dealer-link.js";
import { Renewal, accessPointOf, enrolWorker, type Enrolled } from "./fleet/enrolment.js";
import { drain } from "./fleet/drain.js";
import { FleetLink } from "./fleet/fleet-link.js";
import { AgreementSet } from "./models/agreement-set.js";
import { Operands } from "./models/operands.js";
import { Addresses, type Resolve } from "./peer/addresses.js";
import { PartnerConnections } from "./peer/partner-connections.js";
import { PeerProbe } from "./peer/probe.js";
import { PeerServer } from "./peer/peer-server.js";
import { Poller } from "./peer/poller.js";
import { Runner } from "./session/runner.js";
import { Stock } from "./session/stock.js";
import { countPartners, observeWorker } from "./telemetry/gauges.js";
import { tellAll } from "./telemetry/run-telemetry.js";

/** All parts of a worker. Nothing in it outlives the process: keys, weights and batches are in memory only. */
export class WorkerContext implements OnApplicationShutdown {
  readonly trust = new TrustStore();
  readonly peers: PeerServer;
  readonly link: FleetLink;
  /** Called when the access point takes nothing of this worker any more. */
  onRevoked: () => void = () => {};
  readonly #stock: Stock;
  readonly #runner: Runner;
  readonly #dealers: DealerLink;
  readonly #connections: PartnerConnections;
  readonly #renewal: Renewal;
  readonly #drainMs: number;
  readonly #logger: Logger;
  readonly #unobserve: () => void;
  readonly #client: ReturnType<typeof connect<typeof fleet.FleetServiceService>>;
  #endpoint = "";

  private constructor(config: Config, enrolled: Enrolled, logger: Logger, resolve?: Resolve) {
    const own = enrolled.certificate;
    this.#drainMs = config.PARLEY_DRAIN_SECONDS * 1000;
    this.#logger = logger;
    this.#client = connect(fleet.FleetServiceService, {
      address: enrolled.fleetAddress,
      own,
      server: accessPointOf(enrolled),
      options: LARGE,
    });
    const agreements = new AgreementSet(this.trust, logger);
    const operands = new Operands(() => this.#client);
    this.#dealers = new DealerLink(own, config.PARLEY_SESSION_TIMEOUT_MS);
    const settings = {
      name: config.PARLEY_WORKER_NAME,
      endpoint: () => this.#endpoint,
      concurrency: config.PARLEY_CONCURRENCY,
    };
    const tell = (value: fleet.ProbeFindings) => this.link.tell({ $case: "probeFindings", value });
    const prober = new PeerProbe(own, agreements, tell);
    const events = {
      agreements: (set: fleet.AgreementSet) => {
        agreements.replace(set.agreements);
        countPartners(agreements);
      },
      run: (order: fleet.RunOrder) => this.#runner.start(order),
      cancel: (attemptId: string) => this.#runner.cancel(attemptId),
      target: (target: fleet.StockTarget) => this.#stock.aim(target),
      drain: () => this.#stock.aim({ entries: [] }),
      probe: (probe: fleet.Probe) => void prober.run(probe),
      revoked: () => this.onRevoked(),
    };
    this.link = new FleetLink(this.#client, settings, events, logger);
    const shared = {
      agreements,
      operands,
      dealers: this.#dealers,
      fleet: this.link,
      poller: new Poller(polls(config)),
      logger,
      certificate: () => thumbprintOf(own.leaf),
      timeoutMs: config.PARLEY_SESSION_TIMEOUT_MS,
    };
    this.#connections = new PartnerConnections(
      own,
      new Addresses(resolve, config.PARLEY_RESOLVE_MS, config.PARLEY_PARTNER_CONNECTIONS),
    );
    const client = { connections: this.#connections, lot: config.PARLEY_LOT, idleMs: config.PARLEY_IDLE_MS };
    this.#stock = new Stock({ ...shared, ...client }, agreements, this.link, logger, config.PARLEY_RESOLVE_MS);
    this.#runner = new Runner(this.#stock, agreements, this.link, logger);
    this.peers = new PeerServer(own, this.trust, { ...shared, idleMs: config.PARLEY_IDLE_LIMIT_MS }, logger);
    this.#unobserve = observeWorker({
      leaf: () => own.leaf,
      agreements,
      peers: this.peers,
      connections: this.#connections,
      stock: this.#stock,
    });
    this.#renewal = new Renewal(enrolled, this.#client, logger);
    agreements.onEnd((id) => {
      operands.forget(id);
      this.#connections.end(id);
    });
  }

  /** @param resolve how names of partners' workers are looked up; the system's way without it */
  static async open(config: Config, logger: Logger, resolve?: Resolve): Promise<WorkerContext> {
    return new WorkerContext(config, await enrolWorker(config.PARLEY_WORKER_TOKEN_FILE), logger, resolve);
  }

  /** Attaches to the access point, once partners can be served at `endpoint`. */
  async attach(endpoint: string): Promise<void> {
    this.#endpoint = endpoint;
    this.link.start();
    await Promise.race([this.link.attached, new Promise((resolve) => setTimeout(resolve, 10_000).unref())]);
  }

  /** Runs under way, at the data owner. */
  get busy(): number {
    return this.#runner.busy;
  }

  /** Takes no new work, lets what runs finish, then ends. */
  async onApplicationShutdown() {
    const { peers, link } = this;
    await drain({ peers, link, stock: this.#stock, runner: this.#runner }, this.#drainMs, this.#logger);
    tellAll();
    this.#unobserve();
    this.peers.close();
    this.link.close();
    this.#renewal.close();
    this.#connections.close();
    this.#dealers.close();
    this.#client.close();
  }
}

const MAX_RUN_BYTES = 128 << 20;
const LARGE = { "grpc.max_receive_message_length": MAX_RUN_BYTES, "grpc.max_send_message_length": MAX_RUN_BYTES };

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger, resolve?: Resolve): DynamicModule {
    const provider = { provide: WorkerContext, useFactory: () => WorkerContext.open(config, logger, resolve) };
    return { module: AppModule, providers: [provider], exports: [WorkerContext] };
  }
}
