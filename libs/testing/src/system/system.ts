import { copyEmptyDatabase } from "@parley/service-kit/testing";
import { dealer as dealerProto, identity as identityProto, member } from "@parley/proto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Child } from "./child-process.js";
import { freePorts } from "./free-port.js";
import { createOperator, type Operator } from "./operator.js";
import { startOrganisation, type Organisation } from "./organisation.js";
import { startRedis, type Redis } from "./redis-server.js";
import { repository, startService, type ServiceName } from "./service-process.js";

export interface SystemOptions {
  /** Folder for everything the system stores; must be empty. */
  readonly folder: string;
  readonly organisations?: readonly string[];
  /** Environment added to every service. */
  readonly env?: Readonly<Record<string, string>>;
  /** Environment added to the first worker of an organisation. */
  readonly workerEnv?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** DATABASE_URL for router services and the dealer; embedded databases without it. */
  readonly databaseUrl?: string;
  /** Makes the address under which a service is known from its own; its own without it. For several replicas behind one address. */
  readonly front?: (service: RouterService | "dealer", address: string) => Promise<string>;
  readonly onProgress?: (message: string) => void;
}

/** A whole running Parley: router, dealer and organisations, each service a process of its own. */
export interface System {
  readonly folder: string;
  readonly logs: string;
  readonly router: Operator;
  readonly dealerOperator: Operator;
  readonly redis: Redis;
  readonly services: Map<ServiceName, Child>;
  readonly addresses: Readonly<Record<RouterService | "dealer", string>>;
  /** The environments that router services and the dealer have. */
  readonly environments: ReadonlyMap<ServiceName, Readonly<Record<string, string>>>;
  readonly organisations: ReadonlyMap<string, Organisation>;
  /** Starts a router service or the dealer again with the environment it had. */
  restart(service: ServiceName): Promise<Child>;
  /** Ends every process. */
  stop(): Promise<void>;
}

const ROUTER = ["identity", "registry", "agreements", "scheduler"] as const;
type RouterService = (typeof ROUTER)[number];
const HOST = "127.0.0.1";

/** Starts everything and enrols the organisations at the router and at the dealer; each trusts the others and the dealer by fingerprint. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const { folder } = options;
  const logs = join(folder, "logs");
  mkdirSync(logs, { recursive: true });
  const say = options.onProgress ?? (() => {});
  const started: Child[] = [];
  const stop = async () => {
    await Promise.all(started.filter((child) => child.name !== "redis").map((child) => child.stop()));
    await Promise.all(started.map((child) => child.stop()));
  };
  try {
    say("starting the router, the dealer and Redis");
    const router = await createOperator("router", join(folder, "router"));
    const dealerOperator = await createOperator("dealer", join(folder, "dealer-operator"));
    const redis = await startRedis(join(folder, "redis"), logs);
    started.push(redis);
    const ports = await freePorts(ROUTER.length * 2 + 4);
    const address = (service: RouterService | "dealer", i: number) => {
      const own = `localhost:${ports[i]}`;
      return options.front ? options.front(service, own) : own;
    };
    const addresses = {
      identity: await address("identity", 0),
      registry: await address("registry", 1),
      agreements: await address("agreements", 2),
      scheduler: await address("scheduler", 3),
      dealer: await address("dealer", 8),
    };
    const environment = async (service: (typeof ROUTER)[number] | "dealer"): Promise<Record<string, string>> => {
      const own = service === "dealer" ? 8 : ROUTER.indexOf(service);
      const health = service === "dealer" ? 9 : 4 + own;
      return {
        PARLEY_LISTEN: `${HOST}:${ports[own]}`,
        PARLEY_HEALTH_LISTEN: `${HOST}:${ports[health]}`,
        PARLEY_ADVERTISE: "localhost",
        PARLEY_DATA_DIR: join(folder, service),
        PARLEY_IDENTITY_ADDRESS: addresses.identity,
        PARLEY_AGREEMENTS_ADDRESS: addresses.agreements,
        PARLEY_SERVICE_ADDRESSES: Object.entries(addresses)
          .filter(([name]) => (service === "dealer") === (name === "dealer"))
          .map(([name, at]) => `${name}=${at}`)
          .join(","),
        REDIS_URL: redis.url,
        ...(service === "identity" && { PARLEY_ENROL_LISTEN: `${HOST}:${ports[10]}` }),
        ...(service === "dealer" && { PARLEY_ENROL_LISTEN: `${HOST}:${ports[11]}` }),
        ...(options.databaseUrl && { DATABASE_URL: options.databaseUrl }),
        ...(await (service === "dealer" ? dealerOperator : router).certificate(service)),
        ...options.env,
      };
    };
    const services = new Map<ServiceName, Child>();
    const environments = new Map<ServiceName, Record<string, string>>();
    const launch = async (service: ServiceName) => {
      const child = await startService({ service, logs, env: environments.get(service) ?? {} });
      services.set(service, child);
      started.push(child);
      return child;
    };
    for (const service of [...ROUTER, "dealer"] as const) {
      environments.set(service, await environment(service));
      mkdirSync(join(folder, service), { recursive: true, mode: 0o700 });
      if (!options.databaseUrl)
        await copyEmptyDatabase(join(folder, service), join(repository, "node_modules/.cache/parley"));
    }
    await Promise.all([launch("identity"), launch("dealer")]);
    await Promise.all(["registry", "agreements", "scheduler"].map((service) => launch(service as ServiceName)));

    const organisations = new Map<string, Organisation>();
    const names = options.organisations ?? ["clinic-a", "clinic-b"];
    say(`starting and enrolling ${names.join(" and ")}`);
    await Promise.all(
      names.map(async (id) => {
        const organisation = await startOrganisation(id, join(folder, id), logs, options.env);
        started.push(organisation.accessPoint);
        organisations.set(id, organisation);
      }),
    );
    for (const organisation of organisations.values()) await enrol(organisation, router, dealerOperator, addresses);
    await Promise.all(
      [...organisations.values()].map(async (organisation) =>
        started.push(await organisation.addWorker(options.workerEnv?.[organisation.id])),
      ),
    );
    for (const one of organisations.values())
      for (const id of ["dealer", ...organisations.keys()]) if (id !== one.id) await trust(one, id, organisations);
    const restart = async (service: ServiceName) => {
      await services.get(service)?.stop();
      return launch(service);
    };
    const stopAll = async () => {
      // Those that were added or started again since.
      const later = [...organisations.values()].flatMap(({ accessPoint, workers }) => [accessPoint, ...workers]);
      await Promise.all(later.map((child) => child.stop()));
      await stop();
    };
    const operators = { router, dealerOperator };
    const processes = { redis, services, environments, addresses, organisations };
    return { folder, logs, ...operators, ...processes, restart, stop: stopAll };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function enrol(organisation: Organisation, router: Operator, dealer: Operator, addresses: System["addresses"]) {
  const request = { organisationId: organisation.id, validSeconds: 600 };
  const identity = await router.client(identityProto.IdentityServiceService, addresses.identity);
  const atRouter = await identity.createEnrolmentToken(request);
  identity.close();
  const dealerClient = await dealer.client(dealerProto.DealerServiceService, addresses.dealer);
  const atDealer = await dealerClient.createEnrolmentToken(request);
  dealerClient.close();
  await organisation.member.enrolOrganisation({ token: atRouter.token, operator: member.Operator.OPERATOR_ROUTER });
  await organisation.member.enrolOrganisation({ token: atDealer.token, operator: member.Operator.OPERATOR_DEALER });
}

/** What two administrators do on the telephone: read the fingerprint at its owner, type it at the partner. */
async function trust(one: Organisation, id: string, all: ReadonlyMap<string, Organisation>) {
  const source = all.get(id)?.member ?? one.member;
  const { organisation } = await source.getOrganisation({ organisationId: all.has(id) ? "" : id });
  await one.member.trustOrganisation({ organisationId: id, fingerprint: organisation?.fingerprint ?? "" });
}
