import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { charts, helmFolder } from "./charts.mjs";
import { difference, listing } from "./difference.mjs";
import { helm } from "./helm-for-tests.mjs";
import { features, lint, renderFeature } from "./render.mjs";

/** The base is held as it is, every feature as what it changes: a reviewer sees what a value does. */
describe.skipIf(!helm).each(charts)("$name", (chart) => {
  let base: object[];
  beforeAll(async () => {
    base = await renderFeature(helm, chart, "base");
  });

  it.each(features(chart.name))("with the values of %s passes lint and renders as before", async (feature: string) => {
    await lint(helm, chart, feature);
    const objects = await renderFeature(helm, chart, feature);
    const text = feature === "base" ? listing(objects) : difference(base, objects);
    expect(text.length, "the feature changes something").toBeGreaterThan(0);
    await expect(text).toMatchFileSnapshot(join(helmFolder, chart.name, "ci", "rendered", `${feature}.yaml`));
  });
});
