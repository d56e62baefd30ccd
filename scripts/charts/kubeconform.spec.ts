import { execFile, execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { charts } from "./charts.mjs";
import { helm } from "./helm-for-tests.mjs";
import { k8sFolder } from "./kustomize.mjs";
import { features, objectsOf, renderFeature } from "./render.mjs";
import { bringTool } from "./tools.mjs";

/** A folder of strict JSON schemas, one per kind: that of the API server and of the custom resources. */
const schemas = process.env.PARLEY_KUBE_SCHEMAS;
const { path: kubeconform, why } = schemas ? await bringTool("kubeconform") : { why: "PARLEY_KUBE_SCHEMAS is not set" };
if (why) console.warn(`Skipped: ${why}.`);

const kubectl = spawnSync("kubectl", ["version", "--client"], { stdio: "ignore" }).status === 0;

interface Finding {
  readonly kind: string;
  readonly name: string;
  readonly status: string;
  readonly msg: string;
}

const check = (objects: object[]) =>
  new Promise<string[]>((resolve, reject) => {
    const location = join(schemas ?? "", "{{ .ResourceKind }}{{ .KindSuffix }}.json");
    const child = execFile(
      kubeconform,
      ["-strict", "-output", "json", "-schema-location", location],
      { maxBuffer: 1e8 },
      (error, stdout) => {
        if (!stdout) return reject(error ?? new Error("kubeconform said nothing"));
        const { resources = [] } = JSON.parse(stdout) as { resources?: Finding[] };
        resolve(resources.map(({ kind, name, status, msg }) => `${kind}/${name}: ${status} ${msg}`));
      },
    );
    child.stdin?.end(objects.map((object) => JSON.stringify(object)).join("\n---\n"));
  });

const ready = helm && kubeconform && existsSync(schemas ?? "");
const all = charts.flatMap((chart) => features(chart.name).map((feature: string) => ({ chart, feature })));

describe.skipIf(!ready)("the API server's schemas accept", () => {
  it.each(all)("$chart.name with $feature", async ({ chart, feature }) => {
    expect(await check(await renderFeature(helm, chart, feature))).toEqual([]);
  });

  it.skipIf(!kubectl).each(["router", "dealer", "clinic-a"])("the overlay of %s", async (name) => {
    const text = execFileSync("kubectl", ["kustomize", join(k8sFolder, "overlays", name)], { encoding: "utf8" });
    expect(await check(objectsOf(text))).toEqual([]);
  });

  it("no field that the API does not know", async () => {
    const service = { apiVersion: "v1", kind: "Service", metadata: { name: "s" }, spec: { prots: [] } };
    expect((await check([service])).join()).toContain("prots");
  });
});
