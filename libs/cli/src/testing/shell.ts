import { vi } from "vitest";
import { run } from "../run.js";

export interface Outcome {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line and catches what it writes. */
export async function shell(...args: string[]): Promise<Outcome> {
  const written = { out: "", err: "" };
  const spies = [
    vi.spyOn(console, "log").mockImplementation((text: string) => void (written.out += `${text}\n`)),
    vi.spyOn(console, "error").mockImplementation((text: string) => void (written.err += `${text}\n`)),
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((written.out += String(text)), true)),
    vi.spyOn(process.stderr, "write").mockImplementation((text) => ((written.err += String(text)), true)),
  ];
  try {
    const exit = await run(args);
    return { exit, ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** Runs with --json: the one object on standard output, or the error of standard error. */
export async function json(...args: string[]): Promise<{ exit: number; value: unknown }> {
  const { exit, out, err } = await shell(...args, "--json");
  return { exit, value: JSON.parse(exit === 0 ? out : err) };
}
