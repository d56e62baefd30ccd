import { CHOSEN, dashboard, quantiles, rate } from "./grafana.mjs";

export const dealer = dashboard({
  uid: "parley-dealer",
  title: "Parley / Dealer and stock",
  description: "What the dealer gives and refuses, and what its ledger has prevented.",
  panels: [
    {
      title: "Batches",
      description: "Parts of batches per second that were asked for: dealt or refused.",
      unit: "ops",
      show: [[rate("parley_dealer_batches_total", ["outcome"]), "{{outcome}}"]],
    },
    {
      title: "Refused share",
      description: "Share of asked parts that were refused in 15 minutes: revoked masks, unknown or used batches.",
      unit: "percentunit",
      max: 1,
      show: [
        [
          `sum by (namespace) (increase(parley_dealer_batches_total{${CHOSEN},outcome="refused"}[15m])) / clamp_min(sum by (namespace) (increase(parley_dealer_batches_total{${CHOSEN}}[15m])), 1)`,
          "{{namespace}}",
        ],
      ],
    },
    {
      title: "Correlations",
      description: "Correlations dealt per second: what the dealer's processors are used for.",
      unit: "ops",
      show: [[rate("parley_dealer_correlations_total", ["namespace"]), "{{namespace}}"]],
    },
    {
      title: "Ledger refusals",
      description: "Attempts in an hour to use a batch, or a run, a second time. Always 0. Alert ParleyLedgerRefusal.",
      unit: "short",
      show: [
        [
          `sum by (namespace, where) (increase(parley_ledger_refusals_total{${CHOSEN}}[1h]))`,
          "{{namespace}} {{where}}",
        ],
      ],
    },
    {
      title: "Time to give parts",
      description: "Calls of workers and access points to the dealer, by method.",
      unit: "s",
      show: quantiles("rpc_server_call_duration_seconds", {
        by: ["rpc_method"],
        where: ',rpc_method=~"parley.dealer.*"',
        of: [0.5, 0.95],
      }),
    },
    {
      title: "Stock at the workers",
      description: "Prepared sessions and drawn batches that wait, by model; known where workers are scraped too.",
      unit: "short",
      show: [[`sum by (namespace, model) (parley_stock_batches{${CHOSEN}})`, "{{namespace}} {{model}}"]],
    },
  ],
});
