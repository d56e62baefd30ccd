import { parse } from "csv-parse/sync";
import { datasetError, type Dataset } from "./dataset.js";

/** Comma, semicolon or tab separated numbers, one record a row; a first row without numbers is a header. Names row and column of what is not a number. */
export function parseCsv(file: Uint8Array, source: string): Dataset {
  const text = Buffer.from(file).toString("utf8");
  const firstLine = text.slice(0, Math.max(0, text.indexOf("\n")) || undefined);
  const delimiter = [",", ";", "\t"].find((d) => firstLine.includes(d)) ?? ",";
  let rows: string[][];
  try {
    rows = parse(text, { delimiter, bom: true, trim: true, skip_empty_lines: true, relax_column_count: true });
  } catch {
    throw datasetError(source, "is not a CSV file", "Check quotes and separators.");
  }
  const isNumber = (cell: string) => cell !== "" && Number.isFinite(Number(cell));
  const header = rows.length > 0 && !rows[0].some(isNumber) ? rows.shift() : undefined;
  const columns = rows[0]?.length ?? 0;
  if (!columns) throw datasetError(source, "holds no records", "Give one record per row.");
  const values = new Float64Array(rows.length * columns);
  rows.forEach((row, r) => {
    const line = r + (header ? 2 : 1);
    if (row.length !== columns)
      throw datasetError(
        source,
        `row ${line} has ${row.length} columns, the first has ${columns}`,
        "Give every row the same columns.",
      );
    row.forEach((cell, c) => {
      const column = header?.[c] ? `column ${c + 1} ("${header[c]}")` : `column ${c + 1}`;
      if (!isNumber(cell))
        throw datasetError(
          source,
          `row ${line}, ${column} is not a number`,
          "Fill in or remove what is missing, and encode categories as numbers.",
        );
      values[r * columns + c] = Number(cell);
    });
  });
  return { shape: [rows.length, columns], values, kind: "real", source };
}
