import { encode } from "fast-png";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { readDataset } from "./file.js";

const folder = mkdtempSync(join(tmpdir(), "parley-dataset-"));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: Uint8Array | string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const IDX = Buffer.from([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 7, 9]);
const PNG = encode({ width: 2, height: 1, data: Uint8Array.from([7, 9]), channels: 1 });

describe("readDataset", () => {
  it.each([
    ["IDX", "digits.idx", IDX, "bytes"],
    ["gzipped IDX", "digits.gz", gzipSync(IDX), "bytes"],
    ["CSV", "patients.csv", "7,9\n", "real"],
    ["gzipped CSV", "patients.csv.gz", gzipSync("7,9\n"), "real"],
    ["PNG under another name", "scan.dat", PNG, "bytes"],
  ])("recognises %s by its bytes", async (_, name, content, kind) => {
    const read = await readDataset(file(name, content));
    expect(read).toMatchObject({ kind, source: name });
    expect([...read.values]).toEqual([7, 9]);
  });

  it.each<[string, string, Uint8Array | string, string, string]>([
    ["an empty file", "empty.csv", "", "FILE_EMPTY", "is empty"],
    ["a cut gzip file", "cut.gz", gzipSync(IDX).subarray(0, -9), "DATASET_INVALID", "cut.gz: cannot be unpacked"],
    ["another binary format", "x.bin", Buffer.from([77, 90, 0, 0, 1]), "DATASET_INVALID", "is in no known format"],
  ])("refuses %s", async (_, name, content, reason, message) => {
    await expect(readDataset(file(name, content))).rejects.toMatchObject({
      reason,
      message: expect.stringContaining(message) as string,
    });
  });

  it("says that a file does not exist, and that a folder cannot be read", async () => {
    const missing = join(folder, "missing.csv");
    await expect(readDataset(missing)).rejects.toThrow(`${missing} does not exist`);
    await expect(readDataset(folder)).rejects.toThrow(`${folder} cannot be read`);
  });
});
