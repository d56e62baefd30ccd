import { describe, expect, it } from "vitest";
import { charts } from "./charts.mjs";
import { edges, uncovered } from "./edges.mjs";
import { helm } from "./helm-for-tests.mjs";
import { podOf } from "./policy.mjs";
import { features, renderFeature } from "./render.mjs";

const chart = (name: string) => charts.find((one) => one.name === name);
const COMPONENT = "app.kubernetes.io/component";

/** The table "Edges" of docs/architecture.md, and the tasks of a release. */
describe.skipIf(!helm)("network policies allow the edges of the architecture and no others", () => {
  it("within a router", async () => {
    const objects = await renderFeature(helm, chart("parley-router"), "network");
    const services = ["identity", "registry", "agreements", "scheduler"];
    expect(edges(objects, [...services, "test"], [8443, 8444])).toEqual([
      "agreements -> identity:8443",
      "registry -> identity:8443",
      "scheduler -> agreements:8443",
      "scheduler -> identity:8443",
      "test -> agreements:8443",
      "test -> identity:8443",
      "test -> identity:8444",
      "test -> registry:8443",
      "test -> scheduler:8443",
    ]);
  });

  it("to what a trial brings", async () => {
    const objects = await renderFeature(helm, chart("parley-router"), "embedded");
    const services = ["identity", "registry", "agreements", "scheduler", "setup", "test", "postgresql", "valkey"];
    expect(edges(objects, services, [5432, 6379])).toEqual([
      "agreements -> postgresql:5432",
      "identity -> postgresql:5432",
      "registry -> postgresql:5432",
      "scheduler -> postgresql:5432",
      "scheduler -> valkey:6379",
    ]);
  });

  it("within an organisation", async () => {
    const objects = await renderFeature(helm, chart("parley-access-point"), "network");
    expect(edges(objects, ["access-point", "worker", "enrol", "test"], [8443, 8444])).toEqual([
      "enrol -> access-point:8444",
      "test -> access-point:8443",
      "test -> access-point:8444",
      "worker -> access-point:8443",
      "worker -> access-point:8444",
    ]);
  });

  it("and hold for every pod, with every feature that does not switch them off", async () => {
    for (const one of charts)
      for (const feature of features(one.name).filter((name: string) => name !== "network-off")) {
        const objects = await renderFeature(helm, one, feature);
        const pods = objects.filter((object) => podOf(object));
        const components = pods.map(({ metadata }) => metadata.labels[COMPONENT]);
        expect(uncovered(objects, components), `${one.name} ${feature}`).toEqual([]);
      }
  });
});
