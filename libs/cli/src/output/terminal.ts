/** What standard output can show. */
export interface Terminal {
  /** Characters in a line. */
  readonly width: number;
  /** Colours are for people at a terminal who have not turned them off (https://no-color.org). */
  readonly colours: boolean;
}

const CODES = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, dim: 2, bold: 1 };
export type Style = keyof typeof CODES;

/** Standard output as it is now. */
export function terminal(): Terminal {
  const { isTTY, columns } = process.stdout;
  return {
    width: (isTTY && columns) || Number(process.env.COLUMNS) || 100,
    colours: isTTY === true && !process.env.NO_COLOR,
  };
}

export const styled = (text: string, style: Style, { colours }: Pick<Terminal, "colours">): string =>
  colours ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;

/** Cut to a width, with an ellipsis where something is lost. */
export const fit = (text: string, width: number): string =>
  text.length <= width ? text.padEnd(width) : `${text.slice(0, Math.max(0, width - 1))}…`;
