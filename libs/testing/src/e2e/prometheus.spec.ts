import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { audited, authorityOf, certificateOf, dealerClient, drain, refusal } from "../attacks/intruder.js";
import { repository } from "../system/index.js";
import { images, missing, predict, publish, startRunning, until, type Published, type Running } from "./fixture.js";
import { findPrometheus, startPrometheus, type Prometheus, type Target } from "./prometheus-server.js";

const helm = join(repository, "deploy/helm");
const files = (folder: string, ending: string) =>
  readdirSync(join(helm, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => join(helm, folder, name));
const ruleFiles = files("rules", ".yaml");

interface Dashboard {
  readonly title: string;
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

/** Every expression of every dashboard, with all chosen in its variables. */
const shown = files("dashboards", ".json").flatMap((file) => {
  const { title, panels } = JSON.parse(readFileSync(file, "utf8")) as Dashboard;
  return panels.flatMap((panel) =>
    panel.targets.map(({ expr }) => ({
      where: `${title}: ${panel.title}`,
      expression: expr
        .replaceAll("$__rate_interval", "5m")
        .replaceAll("$organisation", "clinic-.*")
        .replaceAll(/\$(namespace|job)/g, ".*"),
    })),
  );
});

/** The sides of an alert's comparison that are not numbers: what it looks at, whether it fires or not. */
const sidesOf = (query: string): string[] =>
  query
    .split(/\s[<>]\s/)
    .map((side) => side.trim())
    .filter((side) => Number.isNaN(Number(side)));

const tool = findPrometheus("promtool");
const why = missing ?? (findPrometheus() ? undefined : "no Prometheus here, and none could be brought");

it.skipIf(!tool)(`alerts fire, and do not, as their tests say${tool ? "" : " (skipped: no promtool here)"}`, () => {
  const tests = files("rules/tests", ".yaml");
  expect(tests).toHaveLength(ruleFiles.length);
  execFileSync(tool ?? "", ["test", "rules", ...tests], { stdio: "pipe" });
});

/** Jobs run under a real Prometheus, then what alerts are for happens. */
describe.skipIf(why)(`a system under Prometheus${why ? ` (skipped: ${why})` : ""}`, () => {
  let running: Running;
  let model: Published;
  let prometheus: Prometheus;

  const work = async () => {
    const job = await predict(running.b, model.asset, images(1).dataset);
    if (!job.success) throw job.error ?? new Error(job.state);
  };
  const isThere = async (expression: string) =>
    (await prometheus.query(expression)).some(({ value }) => !Number.isNaN(value));
  /** Alerts of a name whose condition holds, whether or not it has for long enough. */
  const raised = async (name: string) => (await prometheus.rules()).find((rule) => rule.name === name)?.alerts ?? [];

  beforeAll(async () => {
    running = await startRunning({
      env: { PARLEY_METRICS_LISTEN: "127.0.0.1:0" },
      // As the chart does: a worker's metrics name its organisation.
      workerEnv: { "clinic-a": { PARLEY_ORG: "clinic-a" }, "clinic-b": { PARLEY_ORG: "clinic-b" } },
    });
    model = await publish(running, "a", 1000);
    prometheus = await startPrometheus(join(running.folder, "prometheus"), targets(), ruleFiles);
  }, 180_000);
  afterAll(async () => {
    await prometheus?.stop();
    await running?.remove();
  }, 90_000);

  /** Each process has told its log where its metrics are. */
  function targets(): Target[] {
    return readdirSync(running.logs).flatMap((name) => {
      const line = readFileSync(join(running.logs, name), "utf8")
        .split("\n")
        .find((line) => line.includes('"metrics are served"'));
      if (line === undefined) return [];
      const pod = name.replace(/\.log$/, "");
      const namespace = /^clinic-./.exec(pod)?.[0] ?? (pod === "dealer" ? "dealer" : "router");
      return [{ port: (JSON.parse(line) as { port: number }).port, namespace, pod }];
    });
  }

  it("reads every process", async () => {
    expect(targets()).toHaveLength(9);
    await until(async () => (await prometheus.query("up == 1")).length === 9, "nine targets");
  }, 60_000);

  it("every expression of every dashboard and alert shows something while jobs run", async () => {
    const rules = await prometheus.rules();
    expect(rules.length).toBeGreaterThan(10);
    const looked = rules.flatMap(({ name, query }) =>
      sidesOf(query).map((expression) => ({ where: name, expression })),
    );
    let empty = [...shown, ...looked];
    expect(empty.length).toBeGreaterThan(60);
    // Each round has a job between two readings, since a rate is a difference.
    for (let round = 0; round < 20 && empty.length > 0; round++) {
      await work();
      const worked = Date.now() / 1000;
      await until(async () => (await prometheus.query("min(timestamp(up))"))[0].value > worked, "a reading of all");
      const found = await Promise.all(empty.map(({ expression }) => isThere(expression)));
      empty = empty.filter((_, index) => !found[index]);
    }
    expect(empty).toEqual([]);
  }, 180_000);

  it("no alert is raised by that", async () => {
    const all = await prometheus.rules();
    expect(all.filter(({ alerts }) => alerts.length > 0).map(({ name }) => name)).toEqual([]);
  });

  it("a batch that is asked for twice raises ParleyLedgerRefusal", async () => {
    const [used] = await audited(running.b, "batch.prepared");
    const clinic = running.organisations.get("clinic-b");
    if (!clinic) throw new Error("clinic-b runs");
    const client = dealerClient(running, await certificateOf(authorityOf(clinic), "worker"));
    const answer = await refusal(
      drain(client.fetchParts({ batchIds: [Buffer.from(used.details.batch, "hex")] })),
    ).finally(() => client.close());
    expect(answer).toBe("FAILED_PRECONDITION PART_REFUSED");
    await until(async () => (await raised("ParleyLedgerRefusal")).length > 0, "the alert");
    expect((await raised("ParleyLedgerRefusal")).map(({ labels }) => labels.where)).toEqual(["dealer"]);
  }, 60_000);

  it("a dealer that is away raises ParleyPeerUnreachable, and ParleyStockEmpty once all is used up", async () => {
    await running.services.get("dealer")?.kill();
    for (let i = 0; i < 40; i++)
      await running.b.createJob({ operation: "predict", asset: model.asset, dataset: images(1).dataset }).send();
    await until(async () => (await raised("ParleyPeerUnreachable")).length > 0, "ParleyPeerUnreachable", 90_000);
    const peers = (await raised("ParleyPeerUnreachable")).map(({ labels }) => labels.organisation);
    expect(new Set(peers)).toEqual(new Set(["dealer"]));
    await until(async () => (await raised("ParleyStockEmpty")).length > 0, "ParleyStockEmpty", 90_000);
  }, 200_000);
});
