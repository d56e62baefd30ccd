import {
  RpcServer,
  TrustStore,
  mutualServerCredentials,
  probeBinding,
  serverCredentials,
  type Logger,
} from "@parley/service-kit";
import type { Config } from "./config.js";
import { AccessControl } from "./domain/access-control.js";
import { Activation } from "./domain/activation.js";
import { AgreementDesk } from "./domain/agreement-desk.js";
import { AgreementWatch } from "./domain/agreement-watch.js";
import { Changes } from "./domain/changes.js";
import { Doctor } from "./domain/doctor/doctor.js";
import { Enrolment } from "./domain/enrolment.js";
import { AgreementSet } from "./domain/fleet/agreement-set.js";
import { Dispatcher } from "./domain/fleet/dispatcher.js";
import { Fleet } from "./domain/fleet/fleet.js";
import { PartnerEndpoints } from "./domain/fleet/partner-endpoints.js";
import { RunDesk } from "./domain/fleet/run-desk.js";
import { Stock } from "./domain/fleet/stock.js";
import { AttemptRunner } from "./domain/jobs/attempt-runner.js";
import { JobBoard } from "./domain/jobs/job-board.js";
import { Outcomes } from "./domain/jobs/outcomes.js";
import { ResultReaders } from "./domain/jobs/result-readers.js";
import { SchedulerLink } from "./domain/jobs/scheduler-link.js";
import { Submission } from "./domain/jobs/submission.js";
import { Masks } from "./domain/masks.js";
import { Operations } from "./domain/operations.js";
import { Outbox } from "./domain/outbox.js";
import { OwnOrganisation } from "./domain/own-organisation.js";
import { Publication } from "./domain/publication.js";
import { Router } from "./domain/router.js";
import { SelfTest } from "./domain/self-test.js";
import { Tickets } from "./domain/tickets.js";
import { FleetRpc } from "./rpc/fleet.js";
import { memberBinding } from "./rpc/member.js";
import { WorkerAdmission } from "./rpc/worker-admission.js";
import { WorkerEnrolment } from "./rpc/worker-enrolment.js";
import { Vault } from "./store/vault.js";

/** Roles that may measure the connection to the access point. */
const MEMBERS = ["publisher", "scientist", "auditor"] as const;

/** A run's whole input travels to a worker in one message. */
const FLEET_MESSAGE_BYTES = 256 * 1024 * 1024;

const listed = (names: string): string[] => names.split(",").filter(Boolean);

/** One organisation's access point: its parts, its two servers, and how it starts and stops. */
export class AccessPoint {
  private constructor(
    readonly own: OwnOrganisation,
    readonly vault: Vault,
    /** Own workers, mutual TLS under the own authority. */
    readonly fleetServer: RpcServer,
    /** Members and workers' first contact, server-side TLS. */
    readonly memberServer: RpcServer,
    private readonly workers: WorkerEnrolment,
    private readonly operations: Operations,
  ) {}

  /** Opens the vault and puts the parts together; makes the organisation's keys on the first start. */
  static async open(config: Config, logger: Logger): Promise<AccessPoint> {
    const vault = new Vault(config.PARLEY_DATA_DIR); // its lock comes first: two processes must not make two sets of keys
    try {
      return await AccessPoint.compose(config, logger, vault);
    } catch (error) {
      vault.close();
      throw error;
    }
  }

  private static async compose(config: Config, logger: Logger, vault: Vault): Promise<AccessPoint> {
    const inside = ["localhost", config.PARLEY_ADVERTISE];
    const dnsNames = [...new Set([...inside, ...listed(config.PARLEY_EXTRA_DNS)])];
    const workerDnsNames = [...new Set([...inside, ...listed(config.PARLEY_WORKER_DNS)])];
    const own = await OwnOrganisation.open({ org: config.PARLEY_ORG, folder: vault.folder, dnsNames, workerDnsNames });
    const access = new AccessControl(vault, own.id);
    access.ensureAdminKey(config.PARLEY_ADMIN_KEY_FILE);

    const changes = new Changes();
    const router = new Router(own, vault);
    const fleet = new Fleet(changes, logger);
    const enrolment = new Enrolment(own, vault, router, changes, () => fleet.endpoints);
    const tickets = new Tickets(router, own);
    const activation = new Activation(own, vault, router, changes, logger);
    const watch = new AgreementWatch(vault, router, activation, changes, logger, own.id);
    const masks = new Masks(own, vault, changes, logger);
    const outbox = new Outbox(own, vault, router, logger);
    const publication = new Publication(own, vault, router, config.PARLEY_MAX_MODEL_BYTES);

    const endpoints = new PartnerEndpoints(vault, router, changes);
    const desk = new AgreementDesk(own, vault, router, activation, endpoints, changes);
    const agreementSet = new AgreementSet(vault, fleet, endpoints, () => changes.emit("agreements"));
    const stock = new Stock(vault, fleet);
    const dispatcher = new Dispatcher(fleet, changes, own.id, (agreement) => stock.squeeze(agreement));
    const runDesk = new RunDesk(own, vault, fleet, tickets, changes, logger);

    const readers = new ResultReaders(vault);
    const outcomes = new Outcomes(own, vault, readers, changes, logger);
    const runner = new AttemptRunner(vault, tickets, dispatcher, stock, endpoints, outcomes, changes, logger, own.id);
    const submission = new Submission(own, vault, router, changes, logger, config.PARLEY_MAX_INPUT_BYTES);
    const link = new SchedulerLink(vault, router, runner, changes, logger, config.PARLEY_ATTEMPTS);
    const board = new JobBoard(own, vault, router, runner, readers, changes, logger);
    const running = { own, vault, router, changes, fleet, dispatcher, agreementSet, stock, endpoints };
    const operations = new Operations({
      ...running,
      watch,
      masks,
      outbox,
      runDesk,
      runner,
      submission,
      link,
      board,
      logger,
    });

    const admission = new WorkerAdmission(own, vault, fleet, (worker) => {
      dispatcher.lost(worker);
      runDesk.lost(worker);
    });
    const workers = new WorkerEnrolment(own, vault, admission);
    const doctor = new Doctor(own, vault, router, fleet, endpoints, logger);
    const fleetRpc = new FleetRpc(
      own,
      vault,
      fleet,
      runDesk,
      dispatcher,
      runner,
      agreementSet,
      stock,
      doctor.workers,
      admission,
      logger,
    );
    const selfTest = new SelfTest(own, vault, router, config.PARLEY_ALLOW_SELF_TEST, logger);
    const member = {
      own,
      vault,
      access,
      enrolment,
      workers,
      admission,
      publication,
      desk,
      submission,
      board,
      router,
      doctor,
      selfTest,
    };
    const trust = new TrustStore({ [own.id]: own.keys.bundle });
    const fleetServer = new RpcServer({
      credentials: mutualServerCredentials(own.certificate, trust),
      trust,
      logger,
      bindings: [fleetRpc.binding()],
      options: {
        "grpc.max_receive_message_length": FLEET_MESSAGE_BYTES,
        "grpc.max_send_message_length": FLEET_MESSAGE_BYTES,
      },
    });
    const memberServer = new RpcServer({
      credentials: serverCredentials(own.certificate),
      logger,
      bindings: [
        memberBinding(member),
        workers.binding(),
        probeBinding((context) => access.require(context, ...MEMBERS)),
      ],
    });
    return new AccessPoint(own, vault, fleetServer, memberServer, workers, operations);
  }

  /** Begins what goes on by itself, once both servers listen. */
  start(addresses: { members: string; fleet: string }) {
    this.workers.addresses = addresses;
    this.operations.start();
  }

  /** Before the servers close: what runs may finish; streams that end afterwards are not lost workers. */
  drain(ms: number): Promise<void> {
    return this.operations.drain(ms);
  }

  async close() {
    await this.operations.stop();
    this.vault.close();
  }
}
