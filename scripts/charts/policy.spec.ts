import { describe, expect, it } from "vitest";
import { charts } from "./charts.mjs";
import { helm } from "./helm-for-tests.mjs";
import { podOf, violations } from "./policy.mjs";
import { features, renderFeature } from "./render.mjs";

interface Container {
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
}

const all = charts.flatMap((chart) => features(chart.name).map((feature: string) => ({ chart, feature })));

describe.skipIf(!helm)("everything that is rendered keeps to the rules", () => {
  it.each(all)("$chart.name with $feature", async ({ chart, feature }) => {
    const objects = await renderFeature(helm, chart, feature);
    expect(objects.flatMap(violations)).toEqual([]);
  });

  it.each(all)("$chart.name with $feature: pods have the time to drain", async ({ chart, feature }) => {
    for (const object of await renderFeature(helm, chart, feature)) {
      const pod = podOf(object);
      for (const { env, lifecycle } of (pod?.containers ?? []) as Container[]) {
        const drain = Number(env?.find(({ name }) => name === "PARLEY_DRAIN_SECONDS")?.value ?? 0);
        if (!drain) continue;
        expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(drain + (lifecycle?.preStop.sleep.seconds ?? 0));
      }
    }
  });
});

describe("the rules", () => {
  const labels = Object.fromEntries(
    ["name", "instance", "component", "version", "managed-by", "part-of"].map((l) => [`app.kubernetes.io/${l}`, "x"]),
  );
  const probe = { grpc: { port: 8081 } };
  const amount = { cpu: "1", memory: "1Gi" };
  const container = {
    name: "main",
    image: "parley:1",
    resources: { requests: amount, limits: amount },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
    startupProbe: probe,
    readinessProbe: probe,
    livenessProbe: probe,
  };
  const pod = {
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    containers: [container],
  };
  const deployment = (spec: object) => ({
    kind: "Deployment",
    metadata: { name: "d", labels },
    spec: { template: { spec } },
  });
  const withContainer = (change: object) => deployment({ ...pod, containers: [{ ...container, ...change }] });

  it("accept a pod that keeps to them", () => {
    expect(violations(deployment(pod))).toEqual([]);
  });

  it.each([
    ["a mounted token", deployment({ ...pod, automountServiceAccountToken: undefined }), "token"],
    ["root", deployment({ ...pod, securityContext: { seccompProfile: { type: "RuntimeDefault" } } }), "root"],
    ["no seccomp profile", deployment({ ...pod, securityContext: { runAsNonRoot: true } }), "seccomp"],
    ["the host's network", deployment({ ...pod, hostNetwork: true }), "hostNetwork"],
    ["a folder of the host", deployment({ ...pod, volumes: [{ name: "v", hostPath: { path: "/" } }] }), "volume v"],
    [
      "an init container without limits",
      deployment({ ...pod, initContainers: [{ ...container, resources: {} }] }),
      "limits",
    ],
    ["no limits", withContainer({ resources: { requests: amount } }), "limits of memory"],
    ["no probe", withContainer({ livenessProbe: undefined }), "livenessProbe"],
    [
      "capabilities",
      withContainer({ securityContext: { ...container.securityContext, capabilities: {} } }),
      "capabilities",
    ],
    [
      "a writable root",
      withContainer({ securityContext: { ...container.securityContext, readOnlyRootFilesystem: false } }),
      "written",
    ],
    ["a moving image", withContainer({ image: "parley:latest" }), "pinned"],
    ["no tag", withContainer({ image: "example.org:5000/parley" }), "pinned"],
    ["a secret as plain text", withContainer({ env: [{ name: "DATABASE_URL", value: "postgresql://h/d" }] }), "Secret"],
    [
      "a key in a ConfigMap",
      { kind: "ConfigMap", metadata: { name: "c", labels }, data: { k: "-----BEGIN PRIVATE KEY-----" } },
      "secret",
    ],
    [
      "a password in a ConfigMap",
      { kind: "ConfigMap", metadata: { name: "c", labels }, data: { k: "redis://:p@h" } },
      "secret",
    ],
    ["all rights", { kind: "Role", metadata: { name: "r", labels }, rules: [{ verbs: ["*"] }] }, "everything"],
    ["no labels", { kind: "Service", metadata: { name: "s" } }, "label"],
  ])("refuse %s", (_, object, named) => {
    expect(violations(object).join("\n")).toContain(named);
  });
});
