import { Code, ParleyError } from "@parley/proto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import { parseCsv } from "./csv.js";
import { datasetError, type Dataset } from "./dataset.js";
import { parseIdx } from "./idx.js";
import { parseNpy } from "./npy.js";
import { parsePng } from "./png.js";

/** Most bytes that a compressed file may unpack to. */
const LARGEST_UNPACKED = 1 << 30;

/** Reads CSV, NPY, PNG or IDX, each also gzipped; the format is recognised by the first bytes. Throws ParleyError naming the file and what is wrong. */
export async function readDataset(path: string): Promise<Dataset> {
  const source = basename(path);
  let file: Buffer;
  try {
    file = await readFile(path);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : "cannot be read";
    throw new ParleyError(
      Code.INVALID_ARGUMENT,
      "FILE_UNREADABLE",
      `${path} ${why}`,
      "Check the path and its permissions.",
      {},
      { cause },
    );
  }
  if (!file.length)
    throw new ParleyError(
      Code.INVALID_ARGUMENT,
      "FILE_EMPTY",
      `${path} is empty`,
      "Give a file with at least one record.",
    );
  return parse(file, source);
}

function parse(file: Buffer, source: string): Dataset {
  const starts = (...bytes: number[]) => bytes.every((b, i) => file[i] === b);
  if (starts(0x89, 0x50, 0x4e, 0x47)) return parsePng(file, source);
  if (starts(0x93, 0x4e, 0x55, 0x4d)) return parseNpy(file, source);
  if (starts(0x1f, 0x8b)) return parse(unpack(file, source), source);
  if (starts(0, 0)) return parseIdx(file, source);
  if (file.subarray(0, 4096).includes(0))
    throw datasetError(source, "is in no known format", "Give a CSV, NPY, PNG or IDX file.");
  return parseCsv(file, source);
}

function unpack(file: Buffer, source: string): Buffer {
  try {
    return gunzipSync(file, { maxOutputLength: LARGEST_UNPACKED });
  } catch {
    throw datasetError(
      source,
      "cannot be unpacked",
      "Check that the download is complete; 1 GiB unpacked is the most.",
    );
  }
}
