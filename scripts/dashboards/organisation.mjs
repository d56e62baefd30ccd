import { dashboard, ofOrganisation } from "./grafana.mjs";

const series = (metric, where = "") => `${metric}{namespace=~"$namespace",job=~"$job"${where}}`;
const WHOLE = ',certificate!="authority"';
const own = (aggregate, by, expression) => `${aggregate} by (${by.join(", ")}) (${ofOrganisation(expression)})`;
const rateOf = (metric) => `rate(${series(metric)}[$__rate_interval])`;

export const organisation = dashboard({
  uid: "parley-organisation",
  title: "Parley / One organisation",
  description: "One organisation's view: its jobs, the quota of its agreements, its certificates, its peers.",
  variables: ["organisation"],
  panels: [
    {
      title: "Jobs by outcome",
      description: "Jobs per second that ended at its access point.",
      unit: "ops",
      show: [[own("sum", ["outcome"], rateOf("parley_job_ended_total")), "{{outcome}}"]],
    },
    {
      title: "Duration of its jobs",
      description: "From receipt to end; median and 95th percentile.",
      unit: "s",
      show: [0.5, 0.95].map((quantile) => [
        `histogram_quantile(${quantile}, ${own("sum", ["le"], rateOf("parley_job_duration_seconds_bucket"))})`,
        `p${quantile * 100}`,
        { exemplar: true },
      ]),
    },
    {
      title: "Its waiting jobs",
      description: "As the scheduler says, where that is scraped too.",
      unit: "short",
      show: [[`max by (organisation) (parley_queue_depth{organisation=~"$organisation"})`, "{{organisation}}"]],
    },
    {
      title: "Quota used up",
      description: "Share of an agreement's records that are used up, by the count of the model owner, which holds.",
      unit: "percentunit",
      max: 1,
      show: [
        [
          own("max", ["agreement"], `${series("parley_quota_used")} / ${series("parley_quota_limit")}`),
          "{{agreement}}",
        ],
      ],
    },
    {
      title: "Records left",
      description: "Of each agreement on its models.",
      unit: "short",
      show: [
        [
          own("min", ["agreement"], `${series("parley_quota_limit")} - ${series("parley_quota_used")}`),
          "{{agreement}}",
        ],
      ],
    },
    {
      title: "Days left of certificates",
      description: "Of access point and workers: they live for days and are renewed at half of it.",
      unit: "d",
      show: [
        [
          own("min", ["certificate"], `${series("parley_certificate_remaining_seconds", WHOLE)} / 86400`),
          "{{certificate}}",
        ],
      ],
    },
    {
      title: "Days left of its authority",
      description: "Everybody who trusts this organisation has pinned it: replace it long before.",
      unit: "d",
      type: "stat",
      show: [
        [
          own(
            "min",
            ["certificate"],
            `${series("parley_certificate_remaining_seconds", ',certificate="authority"')} / 86400`,
          ),
          "{{certificate}}",
        ],
      ],
    },
    {
      title: "Clock against the router's",
      description: "Seconds that the own clock is ahead. Beyond 30 s tickets are refused. Alert ParleyClockSkew.",
      unit: "s",
      show: [[own("max", ["peer"], `abs(${series("parley_clock_skew_seconds")})`), "{{peer}}"]],
    },
    {
      title: "Sessions",
      description: "Open sessions of its workers, by party.",
      unit: "short",
      show: [[own("sum", ["party"], series("parley_session_active")), "{{party}}"]],
    },
  ],
});
