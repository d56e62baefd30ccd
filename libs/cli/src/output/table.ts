/** Columns padded to their widest cell, two spaces between. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const all = [header, ...rows.map((row) => row.map(String))];
  const widths = header.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** "name: value" lines, aligned. */
export function fields(entries: Readonly<Record<string, string | number | undefined>>): string {
  const known = Object.entries(entries).filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(...known.map(([name]) => name.length)) + 1;
  return known.map(([name, value]) => `${`${name}:`.padEnd(width)} ${value}`).join("\n");
}

export const day = (date: Date | undefined) => date?.toISOString().slice(0, 10) ?? "";
export const minute = (date: Date | undefined) => date?.toISOString().slice(0, 16).replace("T", " ") ?? "";
