import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const START_MS = 60_000;

/** A service that was seen to listen. */
export interface Child {
  readonly addresses: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Starts a service of this installation with just these settings. @throws Error with the end of its log where it does not start */
export function startChild(service: "access-point" | "worker", settings: Record<string, string>): Promise<Child> {
  const main = fileURLToPath(new URL(`../../../${service}/dist/main.js`, import.meta.url));
  const env = { PATH: process.env.PATH ?? "", NODE_ENV: "production", ...settings };
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines: string[] = [];
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(timer);
  };
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`the self test's ${service} ${why}:\n${lines.slice(-5).join("\n")}`));
    };
    const timer = setTimeout(() => fail("did not start in time"), START_MS);
    child.once("error", (error) => fail(error.message));
    const onExit = (code: number | null) => fail(`ended with ${code}`);
    child.once("exit", onExit);
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      if (!line.includes('"msg":"listening"')) return;
      clearTimeout(timer);
      child.off("exit", onExit);
      resolve({ addresses: JSON.parse(line) as Record<string, string>, stop });
    });
  });
}
