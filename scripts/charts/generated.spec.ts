import { describe, expect, it } from "vitest";
import { charts } from "./charts.mjs";
import { generatedFiles, generatedFolders } from "./generated.mjs";
import { schemaOf } from "./schema.mjs";
import { drift } from "./write-files.mjs";

interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** Every schema below one, by its path. */
const below = (schema: Schema, path: string): [string, Schema][] => [
  ...Object.entries(schema.properties ?? {}).flatMap(([name, one]): [string, Schema][] => [
    [`${path}.${name}`, one],
    ...below(one, `${path}.${name}`),
  ]),
  ...(schema.items ? below(schema.items, `${path}[]`) : []),
];

describe("generated files of the charts", () => {
  it("are current", async () => {
    expect(drift(await generatedFiles(), generatedFolders())).toEqual([]);
  });

  it("are noticed when they differ, are missing or are too many", async () => {
    const files = await generatedFiles();
    const [first, second] = [...files.keys()].filter((path) => path.includes("/charts/"));
    files.set(first, "something else");
    files.set(`${second}.missing`, "");
    files.delete(second);
    expect(drift(files, generatedFolders())).toEqual([first, `${second}.missing`, second]);
  });
});

describe.each(charts)("the schema of $name", ({ name, values }) => {
  const all = below(schemaOf(name, values) as Schema, "");

  it("describes every value", () => {
    expect(all.filter(([, one]) => !one.description || one.description.length < 5).map(([path]) => path)).toEqual([]);
    expect(all.length).toBeGreaterThan(100);
  });

  it("has no place for a secret, only for names of Secrets", () => {
    const places = all.filter(([path]) =>
      /(password|passphrase|token|credential|apikey|privatekey|url|pem)$/i.test(path),
    );
    expect(places.map(([path]) => path)).toEqual([]);
  });

  it("is strict wherever it names values", () => {
    const open = all.filter(([, one]) => one.properties && one.additionalProperties !== false);
    expect(open.map(([path]) => path)).toEqual([]);
  });
});
