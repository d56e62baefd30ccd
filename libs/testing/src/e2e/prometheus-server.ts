import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { startChild, type Child } from "../system/child-process.js";
import { freePorts } from "../system/free-port.js";
import { repository } from "../system/service-process.js";

/** Path of Prometheus, or of promtool, or undefined. `npm test` brings them where it can. */
export function findPrometheus(name: "prometheus" | "promtool" = "prometheus"): string | undefined {
  const brought = join(repository, "node_modules/.cache/parley/prometheus/usr/bin");
  return [process.env.PARLEY_PROMETHEUS ?? "", ...(process.env.PATH ?? "").split(delimiter), brought]
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));
}

/** A process whose metrics are read, with the labels that the Prometheus operator gives to a pod's. */
export interface Target {
  readonly port: number;
  readonly namespace: string;
  readonly pod: string;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Rule {
  readonly name: string;
  readonly query: string;
  readonly alerts: readonly { readonly labels: Readonly<Record<string, string>>; readonly state: string }[];
}

export interface Prometheus extends Child {
  /** What an expression is now. @throws Error where it is none */
  query(expression: string): Promise<Sample[]>;
  /** All rules, with the alerts whose condition holds. */
  rules(): Promise<Rule[]>;
}

/** Starts a Prometheus that reads targets, and evaluates rules, every second. */
export async function startPrometheus(
  folder: string,
  targets: readonly Target[],
  ruleFiles: readonly string[],
): Promise<Prometheus> {
  mkdirSync(folder, { recursive: true });
  const [port] = await freePorts(1);
  const spaces = [...new Set(targets.map(({ namespace }) => namespace))];
  const config = {
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: ruleFiles,
    scrape_configs: spaces.map((space) => ({
      job_name: `${space}/${space}`,
      static_configs: targets
        .filter(({ namespace }) => namespace === space)
        .map(({ port, namespace, pod }) => ({ targets: [`127.0.0.1:${port}`], labels: { namespace, pod } })),
    })),
  };
  const file = join(folder, "prometheus.yml");
  writeFileSync(file, JSON.stringify(config)); // which is YAML as well
  const address = `127.0.0.1:${port}`;
  const args = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    `--web.listen-address=${address}`,
    "--enable-feature=exemplar-storage",
  ];
  const command = findPrometheus() ?? "prometheus";
  // It tells of its start on standard error, which startChild does not read.
  const child = await startChild({
    name: "prometheus",
    command: "/bin/sh",
    args: ["-c", 'exec "$0" "$@" 2>&1', command, ...args],
    env: {},
    logs: folder,
    ready: (line) => (line.includes("Server is ready to receive web requests") ? {} : undefined),
  });
  const ask = async (path: string): Promise<unknown> => {
    const answer = (await (await fetch(`http://${address}/api/v1/${path}`)).json()) as {
      readonly data: unknown;
      readonly error?: string;
    };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.data;
  };
  return {
    ...child,
    async query(expression) {
      const data = (await ask(`query?query=${encodeURIComponent(expression)}`)) as {
        readonly result: readonly { readonly metric: Sample["metric"]; readonly value: readonly [number, string] }[];
      };
      return data.result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
    },
    async rules() {
      const { groups } = (await ask("rules")) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
      return groups.flatMap(({ rules }) => rules);
    },
  };
}
