// Values of the chart parley-router.
import { component, group, integer, list } from "./leaf.mjs";
import { certificates, database, embedded, identityOf, redis } from "./operator.mjs";
import { address, general, invitations, networkPolicy, observability, ports, routes, tasks } from "./shared.mjs";
import { workload } from "./workload.mjs";

/** Every scheduler reports the same queues. */
const QUEUE = {
  name: "queue",
  query: 'sum(max by (organisation) (parley_queue_depth{namespace="{{ .Release.Namespace }}"}))',
  threshold: "100",
};
const SERVICES = ["identity", "registry", "agreements", "scheduler"];
const told = (service) => `host:port of ${service} that organisations are told; by default its name in the cluster.`;

export const router = {
  ...general,
  ...identityOf("router"),
  ...database,
  ...redis,
  ...embedded(true),
  addresses: group("Where organisations reach the services, told to them when they enrol.", {
    ...Object.fromEntries(SERVICES.map((service) => [service, address(told(service))])),
    enrolment: address("host:port of identity's port `enrol`, which tokens name; by default its name in the cluster."),
  }),
  identity: component("Organisations and their keys. Takes any value of `workload`.", {}, { replicas: 2 }, workload),
  registry: component("The index of models. Takes any value of `workload`.", {}, { replicas: 2 }, workload),
  agreements: component(
    "Agreements, quota, the audit log. Takes any value of `workload`.",
    { settleSeconds: integer("How long unreported records stay reserved, seconds.", 3600, { minimum: 1 }) },
    { replicas: 2 },
    workload,
  ),
  scheduler: component(
    "Jobs and their attempts. Takes any value of `workload`.",
    { maxAttempts: integer("Attempts of a job in all.", 5, { minimum: 1 }) },
    { replicas: 2, keda: { triggers: [QUEUE] } },
    workload,
  ),
  workload,
  ...certificates,
  ...invitations,
  ...routes(SERVICES),
  ...networkPolicy({
    organisations: list("Whose access points may call; empty: everybody's."),
    database: ports("Where the database is.", [5432]),
    redis: ports("Where Redis or Valkey is.", [6379]),
  }),
  ...observability,
  ...tasks,
};
