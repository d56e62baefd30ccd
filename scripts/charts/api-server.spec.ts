import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { charts } from "./charts.mjs";
import { helm } from "./helm-for-tests.mjs";
import { features, renderFeature } from "./render.mjs";

/** With PARLEY_TEST_CLUSTER set: the cluster of KUBECONFIG, with the definitions of the custom resources installed. */
const cluster = process.env.PARLEY_TEST_CLUSTER;
const NAMESPACE = `parley-dry-run-${process.pid}`;

const kubectl = (args: readonly string[], input = "") =>
  new Promise<string>((resolve) => {
    const child = spawn("kubectl", args, { stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
    child.on("close", () => resolve(output));
    child.stdin.end(input);
  });

interface Named {
  readonly kind: string;
  readonly metadata: object;
  readonly spec?: { priorityClassName?: string };
}

/** The same object in this test's namespace; a pod is refused where its class is missing, which is not ours to make. */
const here = ({ spec, ...object }: Named) => ({
  ...object,
  metadata: { ...object.metadata, namespace: NAMESPACE },
  ...(spec && { spec: object.kind === "Pod" ? { ...spec, priorityClassName: undefined } : spec }),
});
const all = charts.flatMap((chart) => features(chart.name).map((feature: string) => ({ chart, feature })));

/** The API server itself, in a namespace that admits restricted pods only; nothing is created. */
describe.skipIf(!helm || !cluster)("a real API server accepts", () => {
  beforeAll(async () => {
    await kubectl(["create", "namespace", NAMESPACE]);
    const levels = ["enforce", "warn"].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`);
    await kubectl(["label", "namespace", NAMESPACE, ...levels]);
    // A pod is refused where its account is missing; helm creates that first.
    const accounts = charts.flatMap(({ name, release }) => [`${release}-test`, `${name}-production-test`]);
    for (const account of accounts)
      await kubectl(["-n", NAMESPACE, "create", "serviceaccount", account, "--save-config"]);
  });
  afterAll(() => kubectl(["delete", "namespace", NAMESPACE, "--wait=false"]));

  it.each(all)("$chart.name with $feature", async ({ chart, feature }) => {
    const objects: Named[] = await renderFeature(helm, chart, feature);
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects.map(here) });
    const output = await kubectl(["apply", "--dry-run=server", "-f", "-"], list);
    const lines = output
      .split("\n")
      .filter((line) => line && !/(created|configured|unchanged) \(server dry run\)$/.test(line));
    expect(lines).toEqual([]);
    expect(output.split("\n").length).toBeGreaterThan(objects.length);
  });
});
