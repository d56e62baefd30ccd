import { credentials } from "@grpc/grpc-js";
import { member, createClient, type ServiceClient } from "@parley/proto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Child } from "./child-process.js";
import { freePorts } from "./free-port.js";
import { startService } from "./service-process.js";

export type MemberClient = ServiceClient<typeof member.MemberServiceService>;

/** A running organisation: its access point and its worker. */
export interface Organisation {
  readonly id: string;
  /** What an SDK or CLI profile holds. */
  readonly profile: { readonly address: string; readonly ca: string; readonly apiKey: string };
  readonly folder: string;
  /** Ports and environments, so that a test can start a process again. */
  readonly accessPointEnv: Readonly<Record<string, string>>;
  readonly workerEnv: Readonly<Record<string, string>>;
  readonly member: MemberClient;
  accessPoint: Child;
  readonly workers: Child[];
  /** Starts one more worker, with a token of its own. */
  addWorker(env?: Record<string, string>): Promise<Child>;
}

const HOST = "127.0.0.1";

/** Starts an access point alone; workers are added once it is enrolled, so that partners learn their addresses. */
export async function startOrganisation(
  id: string,
  folder: string,
  logs: string,
  extra: Record<string, string> = {},
): Promise<Organisation> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [fleet, members, health, peer, workerHealth] = await freePorts(5);
  const accessPointEnv = {
    PARLEY_ORG: id,
    PARLEY_DATA_DIR: folder,
    PARLEY_LISTEN: `${HOST}:${fleet}`,
    PARLEY_ENROL_LISTEN: `${HOST}:${members}`,
    PARLEY_HEALTH_LISTEN: `${HOST}:${health}`,
    PARLEY_ADVERTISE: "localhost",
    ...extra,
  };
  const accessPoint = await startService({
    service: "access-point",
    name: `${id}-access-point`,
    logs,
    env: accessPointEnv,
  });
  const read = (name: string) => readFileSync(join(folder, name), "utf8").trim();
  const profile = { address: `localhost:${members}`, ca: `${read("ca.pem")}\n`, apiKey: read("admin-key") };
  const client = createClient(member.MemberServiceService, {
    address: profile.address,
    credentials: credentials.createSsl(Buffer.from(profile.ca)),
    metadata: () => ({ authorization: `Bearer ${profile.apiKey}` }),
  });
  const workerEnv = {
    PARLEY_LISTEN: `${HOST}:${peer}`,
    PARLEY_HEALTH_LISTEN: `${HOST}:${workerHealth}`,
    PARLEY_ADVERTISE: "localhost",
  };
  const workers: Child[] = [];
  const organisation: Organisation = {
    id,
    profile,
    folder,
    accessPointEnv,
    workerEnv,
    member: client,
    accessPoint,
    workers,
    async addWorker(env = {}) {
      const name = `${id}-worker${workers.length ? `-${workers.length + 1}` : ""}`;
      const { token } = await client.createWorkerToken({ validSeconds: 600, reusable: false });
      const file = join(folder, `${name}.token`);
      writeFileSync(file, token, { mode: 0o600 });
      const ports = workers.length ? await freePorts(2) : [peer, workerHealth];
      const own = {
        PARLEY_LISTEN: `${HOST}:${ports[0]}`,
        PARLEY_HEALTH_LISTEN: `${HOST}:${ports[1]}`,
        PARLEY_WORKER_TOKEN_FILE: file,
        PARLEY_WORKER_NAME: name,
      };
      const worker = await startService({
        service: "worker",
        name,
        logs,
        env: { ...workerEnv, ...extra, ...own, ...env },
      });
      workers.push(worker);
      return worker;
    },
  };
  return organisation;
}
