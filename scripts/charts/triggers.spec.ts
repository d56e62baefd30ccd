import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { bringPrometheus } from "../prometheus.mjs";
import { charts } from "./charts.mjs";
import { helm } from "./helm-for-tests.mjs";
import { renderFeature } from "./render.mjs";

const tools = bringPrometheus();
const NAMESPACE = "clinic-a";
type Series = Readonly<Record<string, string>>;

/** The queries of the ScaledObject that a chart renders, by the names of their triggers. */
async function queries(name: string): Promise<Map<string, string>> {
  const chart = charts.find((one) => one.name === name);
  const scaled = (await renderFeature(helm, chart, "keda")).find(({ kind }) => kind === "ScaledObject");
  const triggers: { name: string; metadata: { query: string } }[] = scaled.spec.triggers;
  return new Map(triggers.map((trigger) => [trigger.name, trigger.metadata.query]));
}

/** promtool says whether a query gives this number after ten minutes of the series, a value each 15 s; undefined: nothing. */
function gives(query: string, series: Series, expected: number | undefined): void {
  const folder = mkdtempSync(join(tmpdir(), "triggers-"));
  const input = Object.entries(series).map(([one, values]) => ({ series: one, values }));
  const samples = expected === undefined ? [] : [{ labels: "{}", value: expected }];
  const cases = [{ expr: query, eval_time: "10m", exp_samples: samples }];
  const file = join(folder, "test.yml");
  writeFileSync(file, JSON.stringify({ tests: [{ interval: "15s", input_series: input, promql_expr_test: cases }] }));
  try {
    execFileSync(join(tools ?? "", "promtool"), ["test", "rules", file], { stdio: "pipe" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const of = (metric: string, pod: string, more = "") => `${metric}{namespace="${NAMESPACE}",pod="${pod}"${more}}`;
const stock = (pod: string, model = "m") => of("parley_stock_batches", pod, `,model="${model}"`);
const runs = (model: string, values: string) => ({
  [of("parley_online_duration_seconds_count", "a", `,party="p1",model="${model}"`)]: values,
});
const two = {
  [of("parley_session_active", "a", ',party="p1"')]: "1x60",
  [of("parley_session_active", "a", ',party="p0"')]: "0x60",
  [of("parley_session_active", "b", ',party="p1"')]: "1x60",
};
const busy = runs("m", "0+5x60");

const cases: [string, string, string, Series, number | undefined][] = [
  [
    "parley-access-point",
    "stock",
    "one of two pods has nothing",
    { ...two, ...busy, [stock("a")]: "0x60", [stock("b")]: "2x60" },
    undefined,
  ],
  [
    "parley-access-point",
    "stock",
    "a batch was missing for a moment",
    { ...two, ...busy, [stock("a")]: "2x38 0x2 2x20" },
    undefined,
  ],
  [
    "parley-access-point",
    "stock",
    "a model has just begun to run, with nothing yet",
    { ...two, ...runs("m", "_x37 0 5 9 14"), [stock("a")]: "_x37 0x3" },
    undefined,
  ],
  [
    "parley-access-point",
    "stock",
    "no pod has anything for a model",
    { ...two, ...busy, [stock("a")]: "0x60", [stock("b")]: "0x60", [stock("b", "n")]: "3x60" },
    2.4,
  ],
  [
    "parley-access-point",
    "stock",
    "a model that does not run has nothing, another does",
    { ...two, ...runs("m", "7x60"), ...runs("n", "0+5x60"), [stock("a")]: "0x60", [stock("a", "n")]: "2x60" },
    undefined,
  ],
  [
    "parley-access-point",
    "queue",
    "two schedulers tell of both organisations",
    {
      'parley_queue_depth{organisation="clinic-a",pod="a"}': "5x60",
      'parley_queue_depth{organisation="clinic-a",pod="b"}': "5x60",
      'parley_queue_depth{organisation="clinic-b",pod="a"}': "9x60",
    },
    5,
  ],
  [
    "parley-access-point",
    "busy",
    "two pods run half a session each, and prepare one",
    {
      [of("parley_online_duration_seconds_sum", "a")]: "0+7.5x60",
      [of("parley_online_duration_seconds_sum", "b")]: "0+7.5x60",
      [of("parley_offline_duration_seconds_sum", "b")]: "0+15x60",
    },
    2,
  ],
  [
    "parley-router",
    "queue",
    "two schedulers tell of both organisations",
    {
      'parley_queue_depth{namespace="router",organisation="clinic-a",pod="a"}': "5x60",
      'parley_queue_depth{namespace="router",organisation="clinic-a",pod="b"}': "5x60",
      'parley_queue_depth{namespace="router",organisation="clinic-b",pod="a"}': "9x60",
    },
    14,
  ],
  [
    "parley-dealer",
    "dealt",
    "two pods deal three batches a second together, and refuse some",
    {
      'parley_dealer_batches_total{namespace="dealer",pod="a",outcome="dealt"}': "0+30x60",
      'parley_dealer_batches_total{namespace="dealer",pod="b",outcome="dealt"}': "0+15x60",
      'parley_dealer_batches_total{namespace="dealer",pod="b",outcome="refused"}': "0+15x60",
    },
    3,
  ],
];

it.skipIf(!helm || !tools).each(cases)("%s, trigger %s: %s", async (chart, trigger, _, series, expected) => {
  const query = (await queries(chart)).get(trigger);
  expect(query).toBeDefined();
  gives(query ?? "", series, expected);
});
