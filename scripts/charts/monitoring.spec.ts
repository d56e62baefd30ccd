import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { charts, helmFolder } from "./charts.mjs";
import { helm } from "./helm-for-tests.mjs";
import { renderFeature } from "./render.mjs";

const files = (folder: string, ending: string) =>
  readdirSync(join(helmFolder, folder)).filter((name) => name.endsWith(ending));
const source = (folder: string, file: string) => readFileSync(join(helmFolder, folder, file), "utf8").trim();

interface Rule {
  readonly annotations: Record<string, string>;
  expr: string;
}
interface Rules {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
}
const rulesOf = ({ groups }: Rules) => groups.flatMap((group) => group.rules);

/** What the values of ci/monitoring.yaml add. */
function withRunbooks(rules: Rules): Rules {
  for (const { annotations } of rulesOf(rules))
    annotations.runbook_url = annotations.runbook.replace("docs/runbooks", "https://runbooks.example.org/parley");
  return rules;
}

/** Takes the release's namespace out of each expression. */
function withoutNamespace(rules: Rules, namespace: string): Rules {
  const own = `namespace="${namespace}"`;
  for (const rule of rulesOf(rules)) rule.expr = rule.expr.replaceAll(`{${own}}`, "").replaceAll(`{${own},`, "{");
  return rules;
}

describe.skipIf(!helm).each(charts)("what $name brings for Grafana and Prometheus", (chart) => {
  it("is every dashboard that concerns it, unchanged", async () => {
    const objects = await renderFeature(helm, chart, "monitoring");
    const maps = objects.filter(({ metadata }) => metadata.labels.grafana_dashboard === "1");
    const data: [string, string][] = maps.flatMap((map) => Object.entries(map.data as Record<string, string>));
    for (const [file, text] of data) expect(text.trim()).toBe(source("dashboards", file));
    expect(data.map(([file]) => file)).toContain("service.json");
    expect(data.length).toBe(readdirSync(join(helmFolder, chart.name, "files", "dashboards")).length);
  });

  it("is every alert that concerns it, with the address of its runbook", async () => {
    const objects = await renderFeature(helm, chart, "monitoring");
    const rules = objects.filter(({ kind }) => kind === "PrometheusRule");
    for (const { metadata, spec } of rules) {
      const file = `${metadata.name.slice(chart.release.length + 1)}.yaml`;
      const plain = withoutNamespace(structuredClone(spec), chart.release);
      expect(plain).toEqual(withRunbooks(parse(source("rules", file))));
    }
    expect(rules.length).toBe(readdirSync(join(helmFolder, chart.name, "files", "rules")).length);
  });

  it("looks at the release's own namespace: another release's rules raise its alerts", async () => {
    const objects = await renderFeature(helm, chart, "monitoring");
    const rules = objects.filter(({ kind }) => kind === "PrometheusRule").flatMap(({ spec }) => rulesOf(spec));
    expect(rules.length).toBeGreaterThan(0);
    for (const { expr } of rules)
      for (const [, after] of expr.matchAll(/parley_\w+(.*)/g))
        expect(after.startsWith(`{namespace="${chart.release}"`)).toBe(true);
  });
});

describe("every dashboard and every file of alerts", () => {
  it.each([
    ["dashboards", ".json"],
    ["rules", ".yaml"],
  ])("in %s is in at least one chart", (folder, ending) => {
    const brought = new Set(charts.flatMap(({ name }) => readdirSync(join(helmFolder, name, "files", folder))));
    expect([...brought].sort()).toEqual(files(folder, ending).sort());
  });
});
