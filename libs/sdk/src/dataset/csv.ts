import { parse } from "csv-parse/sync";
import { datasetError, type Dataset } from "./dataset.js";

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

interface Row {
  readonly record: readonly string[];
  /** Where it stands in the file, from 1. */
  readonly info: { readonly lines: number };
}

/**
 * Numbers separated by tab, semicolon or comma, one record a row; a first row without numbers is a header.
 * Between semicolons or tabs a comma is a decimal comma. Names row (from 1, without the header), line and column of what is not a number.
 */
export function parseCsv(file: Uint8Array, source: string): Dataset {
  const text = Buffer.from(file).toString("utf8");
  const firstLine = text.trimStart().split("\n", 1)[0];
  const delimiter = ["\t", ";", ","].find((d) => firstLine.includes(d)) ?? ",";
  let rows: Row[];
  try {
    rows = parse(text, {
      delimiter,
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      info: true,
    }) as unknown as Row[]; // its types leave out what `info` changes
  } catch {
    throw datasetError(source, "is not a CSV file", "Check quotes and separators; give CSV, NPY, PNG or IDX.");
  }
  const toNumber = (cell: string) => {
    const plain = delimiter === "," ? cell : cell.replace(",", ".");
    return DECIMAL.test(plain) ? Number(plain) : Number.NaN;
  };
  const header = rows[0]?.record.every((cell) => Number.isNaN(toNumber(cell))) ? rows.shift()?.record : undefined;
  const columns = (header ?? rows[0]?.record)?.length ?? 0;
  if (!rows.length) throw datasetError(source, "holds no records", "Give one record of numbers per row.");
  const values = new Float64Array(rows.length * columns);
  rows.forEach(({ record, info }, r) => {
    const place = `row ${r + 1} (line ${info.lines})`;
    if (record.length !== columns)
      throw datasetError(
        source,
        `${place} has ${record.length} columns, the ${header ? "header" : "first row"} has ${columns}`,
        "Give every row the same columns.",
      );
    record.forEach((cell, c) => {
      const value = toNumber(cell);
      if (!Number.isFinite(value))
        throw datasetError(
          source,
          `${place}, column ${c + 1}${header?.[c] ? ` (${header[c]})` : ""}: ${cell ? "not a number" : "empty"}`,
          "Fill in or remove what is missing, and encode categories as numbers.",
        );
      values[r * columns + c] = value;
    });
  });
  return { shape: [rows.length, columns], values, kind: "real", source };
}
