import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { root } from "../dependencies.mjs";
import { helm } from "./helm-for-tests.mjs";
import { k8sFiles, k8sFolder, k8sFolders } from "./kustomize.mjs";
import { violations } from "./policy.mjs";
import { lintWith, objectsOf } from "./render.mjs";
import { drift } from "./write-files.mjs";

const kubectl = spawnSync("kubectl", ["version", "--client"], { stdio: "ignore" }).status === 0;
if (!kubectl) console.warn("Skipped: kubectl is not on the PATH; overlays are not built.");

describe.skipIf(!helm)("deploy/k8s", () => {
  it("is what the charts give", async () => {
    expect(drift(await k8sFiles(helm), k8sFolders())).toEqual([]);
  });

  it("names no namespace, no hook and no password", async () => {
    const text = [...(await k8sFiles(helm)).values()].join("");
    expect(text).not.toMatch(/helm\.sh|namespace-of|name-of|^kind: Secret$/m);
    expect(text).toContain("$(POD_NAMESPACE)");
  });
});

describe.skipIf(!kubectl)("the overlay", () => {
  it.each(["router", "dealer", "clinic-a"])("%s is built and keeps to the rules", (name) => {
    const text = execFileSync("kubectl", ["kustomize", join(k8sFolder, "overlays", name)], { encoding: "utf8" });
    const objects = objectsOf(text).filter(
      ({ kind, metadata }) => kind !== "Namespace" && metadata.name.search(/^organisation/),
    );
    expect(objects.flatMap(violations)).toEqual([]);
    expect(objects.filter(({ metadata }) => metadata.namespace !== name)).toEqual([]);
    for (const { kind, subjects } of objects) if (kind === "RoleBinding") expect(subjects[0].namespace).toBe(name);
  });
});

/** Chart and values of an example for Argo CD or Flux. */
const installs = (path: string): { chart: string; values: object }[] => {
  const { kind, spec } = parse(readFileSync(path, "utf8"));
  if (kind === "Application") return [{ chart: spec.source.path, values: spec.source.helm.valuesObject }];
  return kind === "HelmRelease" ? [{ chart: spec.chart.spec.chart, values: spec.values }] : [];
};

describe.skipIf(!helm)("examples for Argo CD and Flux", () => {
  const files = ["argocd", "flux"].flatMap((folder) =>
    readdirSync(join(k8sFolder, folder)).map((file) => join(k8sFolder, folder, file)),
  );
  const all = files.flatMap(installs);

  it("are there for each operator", () => {
    expect(all).toHaveLength(6);
  });

  it.each(all)("install $chart with values that it takes", async ({ chart, values }) => {
    expect(existsSync(join(root, chart, "Chart.yaml"))).toBe(true);
    const folder = mkdtempSync(join(tmpdir(), "parley-values-"));
    try {
      const file = join(folder, "values.yaml");
      writeFileSync(file, stringify(values));
      await lintWith(helm, join(root, chart), ["--values", file]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
