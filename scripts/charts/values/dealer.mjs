// Values of the chart parley-dealer.
import { boolean, component, group, list } from "./leaf.mjs";
import { certificates, database, embedded, identityOf } from "./operator.mjs";
import { address, general, invitations, networkPolicy, observability, ports, routes, tasks } from "./shared.mjs";
import { workload } from "./workload.mjs";

/** Batches dealt in a second. */
const DEALT = {
  name: "dealt",
  query: 'sum(rate(parley_dealer_batches_total{namespace="{{ .Release.Namespace }}",outcome="dealt"}[2m]))',
  threshold: "50",
};

export const dealer = {
  ...general,
  ...identityOf("dealer"),
  ...database,
  ...embedded(false),
  addresses: group("Where organisations reach the dealer, told to them when they enrol.", {
    dealer: address("host:port that organisations are told; by default its name in the cluster."),
    enrolment: address("host:port of the port `enrol`, which tokens name; by default its name in the cluster."),
  }),
  dealer: component(
    "The dealer. Takes any value of `workload`.",
    {
      voidAtStart: boolean("Voids every older batch: for the first start after a restore of its database.", false),
    },
    {
      replicas: 2,
      keda: { triggers: [DEALT] },
      resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "4", memory: "2Gi" } },
    },
    workload,
  ),
  workload,
  ...certificates,
  ...invitations,
  ...routes(["dealer"]),
  ...networkPolicy({
    organisations: list("Whose access points and workers may call; empty: everybody's."),
    database: ports("Where the database is.", [5432]),
  }),
  ...observability,
  ...tasks,
};
