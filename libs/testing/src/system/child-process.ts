import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";

export interface ChildOptions {
  /** Name in messages and of the log file. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folder of log files. */
  readonly logs: string;
  /** The line of standard output that says the process is ready; its match is returned. */
  readonly ready: (line: string) => Record<string, string> | undefined;
  readonly timeoutMs?: number;
}

/** A child process that was seen ready, and how to end it. */
export interface Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly announced: Record<string, string>;
  readonly logFile: string;
  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when the process has ended. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
}

const alive = new Set<ChildProcess>();
process.on("exit", () => alive.forEach((child) => child.kill("SIGKILL")));

/** Starts a process and waits until it says it is ready. Throws with the end of its log where it ends or is late. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const logFile = join(options.logs, `${options.name}.log`);
  const log = openSync(logFile, "a");
  const child = spawn(options.command, options.args, {
    env: { ...process.env, ...options.env },
    // Standard input stays open as long as this process lives: services end when it closes (exit-with-parent).
    stdio: ["pipe", "pipe", log],
  });
  closeSync(log);
  alive.add(child);
  const ended = new Promise<void>((resolve) => child.once("exit", () => (alive.delete(child), resolve())));
  const file = openSync(logFile, "a");
  const output = child.stdout;
  if (!output) throw new Error("standard output is a pipe");
  const announced = await new Promise<Record<string, string>>((resolve, reject) => {
    const fail = (why: string) => {
      child.kill("SIGKILL");
      reject(new Error(`${options.name} ${why}; the end of ${logFile}:\n${tail(logFile)}`));
    };
    const timer = setTimeout(() => fail("did not start in time"), options.timeoutMs ?? 60_000);
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code, signal) => fail(`ended with ${code ?? signal}`));
    createInterface({ input: output }).on("line", (line) => {
      writeSync(file, `${line}\n`);
      const match = options.ready(line);
      if (!match) return;
      clearTimeout(timer);
      child.removeAllListeners("exit");
      child.once("exit", () => alive.delete(child));
      resolve(match);
    });
  });
  const end = async (signal: NodeJS.Signals, graceMs: number) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await Promise.race([gone, ended]);
    clearTimeout(timer);
  };
  return {
    name: options.name,
    process: child,
    announced,
    logFile,
    stop: (graceMs = 5_000) => end("SIGTERM", graceMs),
    kill: () => end("SIGKILL", 1_000),
  };
}

const tail = (file: string) => readFileSync(file, "utf8").split("\n").slice(-25).join("\n");
