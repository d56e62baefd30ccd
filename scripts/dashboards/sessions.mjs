import { CHOSEN, dashboard, quantiles, rate } from "./grafana.mjs";

export const sessions = dashboard({
  uid: "parley-sessions",
  title: "Parley / Sessions between organisations",
  description: "What the workers compute with partners' workers. Party p0 owns the model, p1 the data.",
  panels: [
    {
      title: "Sessions by outcome",
      description: "Sessions per second that ended, by party.",
      unit: "ops",
      show: [[rate("parley_session_ended_total", ["party", "outcome"]), "{{party}} {{outcome}}"]],
    },
    {
      title: "Reasons",
      description: "Why sessions did not succeed; an empty reason is a success.",
      unit: "ops",
      show: [[rate("parley_session_ended_total", ["party", "reason"]), "{{party}} {{reason}}"]],
    },
    {
      title: "Open sessions",
      description: "Prepared or running.",
      unit: "short",
      show: [[`sum by (namespace, party) (parley_session_active{${CHOSEN}})`, "{{namespace}} {{party}}"]],
    },
    {
      title: "Online latency",
      description: "Online phase of a run, from bind to result. Points lead to traces.",
      unit: "s",
      width: 12,
      show: quantiles("parley_online_duration_seconds", { by: ["model"] }),
    },
    {
      title: "Offline latency",
      description: "Preparation of a session: batch and shares. No job waits for it while there is stock.",
      unit: "s",
      width: 12,
      show: quantiles("parley_offline_duration_seconds", { by: ["model"] }),
    },
    {
      title: "Bytes between workers",
      description: "Online phases, by direction.",
      unit: "Bps",
      show: [[rate("parley_online_io_bytes_total", ["party", "direction"]), "{{party}} {{direction}}"]],
    },
    {
      title: "Bytes per run",
      description: "Mean bytes of an online phase. It is fixed by the plan: a change is another model.",
      unit: "bytes",
      show: [
        [
          `${rate("parley_online_io_bytes_total", ["party"])} / ${rate("parley_online_duration_seconds_count", ["party"])}`,
          "{{party}}",
        ],
      ],
    },
    {
      title: "Prepared runs",
      description: "Prepared sessions and drawn batches that wait for a run, by model. Alert ParleyStockEmpty.",
      unit: "short",
      show: [[`sum by (namespace, model) (parley_stock_batches{${CHOSEN}})`, "{{namespace}} {{model}}"]],
    },
    {
      title: "Connections that failed",
      description: "To router, dealer and partners, in ten minutes. Alert ParleyPeerUnreachable.",
      unit: "short",
      show: [
        [
          `sum by (namespace, organisation) (increase(parley_peer_unreachable_total{${CHOSEN}}[10m]))`,
          "{{namespace}} to {{organisation}}",
        ],
      ],
    },
  ],
});
