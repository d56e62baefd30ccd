// kubectl and helm, as they are on the PATH, against the cluster that KUBECONFIG points to.
import { spawn } from "node:child_process";

/** Runs a command; @returns what it printed. @throws Error with the end of what it said where it fails */
export function run(command, args, { input, timeoutMs = 300_000, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
    const out = [];
    const errors = [];
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.stdout.on("data", (data) => out.push(data));
    child.stderr.on("data", (data) => errors.push(data));
    child.on("error", (error) =>
      reject(error.code === "ENOENT" ? new Error(`${command} is not on the PATH; install it first`) : error),
    );
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const output = Buffer.concat(out).toString();
      if (code === 0) return resolve(output);
      const said = `${output}${Buffer.concat(errors)}`.trim().split("\n").slice(-12).join("\n");
      reject(new Error(`${command} ${args.slice(0, 6).join(" ")} ... ended with ${code ?? signal}:\n${said}`));
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

export const kubectl = (namespace, ...args) => run("kubectl", ["-n", namespace, ...args]);
export const helm = (namespace, ...args) => run("helm", ["-n", namespace, ...args], { timeoutMs: 600_000 });

/** @throws Error that says what is missing */
export async function requireCluster() {
  await run("helm", ["version", "--short"]);
  try {
    await run("kubectl", ["get", "nodes", "--request-timeout=10s"]);
  } catch (error) {
    throw new Error(`no cluster answers; set KUBECONFIG to one that you may install into.\n${error.message}`, {
      cause: error,
    });
  }
}

/** Applies an object, so that a second time changes nothing. */
export const apply = (namespace, object) =>
  run("kubectl", ["-n", namespace, "apply", "-f", "-"], { input: JSON.stringify(object) });

export const getJson = async (namespace, ...args) => JSON.parse(await kubectl(namespace, "get", ...args, "-o", "json"));
