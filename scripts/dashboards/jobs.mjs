import { CHOSEN, dashboard, quantiles, rate } from "./grafana.mjs";

/** Scheduler and access point each count a job: their jobs (of Prometheus) stay apart. */
const SIDE = "{{namespace}}";

export const jobs = dashboard({
  uid: "parley-jobs",
  title: "Parley / Jobs",
  description: "Jobs from their receipt to their end. Scheduler and access point each count a job on their own side.",
  panels: [
    {
      title: "Waiting jobs",
      description: "Jobs that wait for an attempt, by data owner. All replicas of the scheduler say the same.",
      unit: "short",
      show: [[`max by (organisation) (parley_queue_depth{${CHOSEN}})`, "{{organisation}}"]],
    },
    {
      title: "Age of the oldest waiting job",
      description: "How long the job that waits longest has waited. Alert ParleyQueueOld.",
      unit: "s",
      show: [[`max by (organisation) (parley_queue_oldest_age_seconds{${CHOSEN}})`, "{{organisation}}"]],
    },
    {
      title: "Failure ratio",
      description: "Share of jobs that failed in 15 minutes, of those that ran to an end. Alert ParleyJobsFailing.",
      unit: "percentunit",
      max: 1,
      show: [
        [
          `sum by (namespace, job) (increase(parley_job_ended_total{${CHOSEN},outcome="failed"}[15m])) / clamp_min(sum by (namespace, job) (increase(parley_job_ended_total{${CHOSEN},outcome=~"succeeded|failed"}[15m])), 1)`,
          `${SIDE} {{job}}`,
        ],
      ],
    },
    {
      title: "Jobs by outcome",
      description: "Jobs per second that ended.",
      unit: "ops",
      show: [[rate("parley_job_ended_total", ["namespace", "outcome"]), `${SIDE} {{outcome}}`]],
    },
    {
      title: "Duration of jobs",
      description: "From receipt to end, at the data owner's access point. Points lead to traces.",
      unit: "s",
      show: quantiles("parley_job_duration_seconds"),
    },
    {
      title: "Duration by outcome",
      description: "Mean from receipt to end. Failed jobs that take long have used up their attempts.",
      unit: "s",
      show: [
        [
          `${rate("parley_job_duration_seconds_sum", ["outcome"])} / ${rate("parley_job_duration_seconds_count", ["outcome"])}`,
          "{{outcome}}",
        ],
      ],
    },
    {
      title: "Attempts by outcome",
      description: "Attempts per second that ended. More than one per job means that some are repeated.",
      unit: "ops",
      show: [[rate("parley_attempt_ended_total", ["namespace", "outcome"]), `${SIDE} {{outcome}}`]],
    },
    {
      title: "Reasons of attempts that did not succeed",
      description: "Attempts per second by reason; an empty reason is a success.",
      unit: "ops",
      show: [[rate("parley_attempt_ended_total", ["reason"]), "{{reason}}"]],
    },
    {
      title: "Attempts per job",
      description: "1 where nothing is repeated.",
      unit: "short",
      show: [
        [
          `sum by (namespace, job) (increase(parley_attempt_ended_total{${CHOSEN}}[15m])) / clamp_min(sum by (namespace, job) (increase(parley_job_ended_total{${CHOSEN},outcome=~"succeeded|failed"}[15m])), 1)`,
          `${SIDE} {{job}}`,
        ],
      ],
    },
  ],
});
