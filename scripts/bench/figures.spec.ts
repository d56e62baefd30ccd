import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readFigures } from "./figures.mjs";

const folder = mkdtempSync(join(tmpdir(), "parley-figures-"));
const file = (name: string, figures: unknown) => {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(figures));
  return path;
};
const result = (network: string, runs: number) => ({ network, batch: 1, link: "loopback", runs });

describe("saved figures", () => {
  const first = file("1.json", {
    machine: { date: "monday", dealerDatabase: "PostgreSQL" },
    results: [result("A", 1), result("B", 1)],
    submitToResultMs: {},
    dealer: [1],
    telemetry: { online: 1 },
  });
  const second = file("2.json", {
    machine: { date: "tuesday" },
    results: [result("B", 2)],
    submitToResultMs: { A: { median: 1 } },
    telemetry: { submit: 2 },
  });

  it("of one file are read as they are", () => {
    expect(readFigures([first]).parts).toBeUndefined();
    expect(readFigures([first]).results.length).toBe(2);
  });

  it("of several are put together, the later ones in place of the earlier", () => {
    const { machine, results, submitToResultMs, dealer, parts, telemetry } = readFigures([first, second]);
    expect(results).toEqual([result("A", 1), result("B", 2)]);
    expect(submitToResultMs).toEqual({ A: { median: 1 } });
    expect(machine.dealerDatabase).toBe("PostgreSQL");
    expect(dealer).toEqual([1]);
    expect(telemetry).toEqual({ online: 1, submit: 2 });
    expect(parts.map(({ date }: { date: string }) => date)).toEqual(["monday", "tuesday"]);
  });

  it("that were put together before keep their dates", () => {
    const both = file("both.json", readFigures([first, second]));
    const dates = readFigures([both, first]).parts.map(({ date }: { date: string }) => date);
    expect(dates).toEqual(["monday", "tuesday", "monday"]);
  });

  it("that are none are refused by the file's name", () => {
    expect(() => readFigures([file("3.json", {})])).toThrow("3.json cannot be read: it holds no figures");
    expect(() => readFigures([join(folder, "absent.json")])).toThrow("absent.json");
  });
});
