import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { METRICS, prometheusName, type MetricName } from "../libs/service-kit/src/telemetry/names.js";
import { DASHBOARDS, outdated } from "./dashboards.mjs";
import { root } from "./dependencies.mjs";

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<"summary" | "description" | "runbook", string>>;
}

const rules = join(root, "deploy/helm/rules");
const files = readdirSync(rules).filter((name) => name.endsWith(".yaml"));
const alerts = files.flatMap((file) => {
  const { groups } = parse(readFileSync(join(rules, file), "utf8")) as { groups: { rules: Alert[] }[] };
  return groups.flatMap((group) => group.rules);
});
const panels = Object.values(DASHBOARDS).flatMap((dashboard) => dashboard.panels);
const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

/** Names of metrics that Prometheus knows, with what a histogram adds. */
const known = new Set(
  (Object.keys(METRICS) as MetricName[]).flatMap((name) => {
    const exported = prometheusName(name);
    return METRICS[name].instrument === "histogram"
      ? ["_bucket", "_sum", "_count"].map((end) => exported + end)
      : [exported];
  }),
);
/** What stands before a `{` or `[`, or bare as an argument, and looks like one of our names. */
const namesIn = (expr: string) => expr.match(/\b(?:parley|rpc|db_client|nodejs|process|v8js)_\w+(?=[\s{[)])/g) ?? [];
const LABELS = /^rpc_(method|response_status_code)$|^db_operation_name$/;

describe("dashboards", () => {
  it("are what scripts/dashboards says", async () => {
    expect(await outdated()).toEqual([]);
  });

  it("say for each panel what it shows", () => {
    for (const { title, description } of panels) expect(description.length, title).toBeGreaterThan(10);
  });
});

describe("alerts", () => {
  it("have a severity, a summary, a description and a runbook that names them", () => {
    const listed = readFileSync(join(root, "docs/runbooks/README.md"), "utf8");
    for (const { alert, labels, annotations } of alerts) {
      expect(["warning", "critical"], alert).toContain(labels.severity);
      expect(annotations.summary && annotations.description, alert).toBeTruthy();
      expect(existsSync(join(root, annotations.runbook)), alert).toBe(true);
      expect(readFileSync(join(root, annotations.runbook), "utf8")).toContain(alert);
      expect(listed).toContain(`\`${alert}\``);
    }
  });

  it("have tests in which each fires and does not", () => {
    const tests = files.map((file) => readFileSync(join(rules, "tests", file.replace(".yaml", ".test.yaml")), "utf8"));
    const cases = tests
      .flatMap(
        (text) =>
          (parse(text) as { tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[] }).tests,
      )
      .flatMap((test) => test.alert_rule_test ?? []);
    for (const { alert } of alerts) {
      const own = cases.filter(({ alertname }) => alertname === alert);
      expect(
        own.some(({ exp_alerts }) => exp_alerts.length > 0),
        `${alert} fires`,
      ).toBe(true);
      expect(
        own.some(({ exp_alerts }) => exp_alerts.length === 0),
        `${alert} does not`,
      ).toBe(true);
    }
  });
});

it("every metric that is shown or watched is one that we export", () => {
  const named = [...expressions, ...alerts.map(({ expr }) => expr)]
    .flatMap(namesIn)
    .filter((name) => !LABELS.test(name));
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});
