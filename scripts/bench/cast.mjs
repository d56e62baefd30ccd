// The processes of one measurement, started afresh for each so that its memory is its own: dealer, P0, P1, and the relay.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LINKS } from "../../loadtest/relay.mjs";
import { copyEmptyDatabase, startTestPostgres } from "../../libs/service-kit/dist/testing/index.js";
import { startChild } from "../../libs/testing/dist/system/index.js";
import { cache } from "../dependencies.mjs";
import { Organisations } from "./organisations.mjs";
import { startProcess } from "./process-calls.mjs";

const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/** What outlives a measurement: the organisations and the dealer's database. */
export class Stage {
  #environment;
  #postgres;
  #nodeArgs;

  /**
   * @param embedded whether the dealer's ledger is in an embedded database even where a PostgreSQL can run
   * @param cpuProfile folder for CPU profiles of all processes
   */
  static async set(folder, { embedded, cpuProfile }) {
    const stage = new Stage();
    stage.#nodeArgs = cpuProfile ? ["--cpu-prof", `--cpu-prof-dir=${cpuProfile}`] : [];
    stage.folder = folder;
    stage.organisations = await Organisations.make(folder);
    const data = join(folder, "dealer");
    mkdirSync(data, { recursive: true, mode: 0o700 });
    stage.#postgres = embedded ? undefined : await startTestPostgres();
    if (!stage.#postgres) await copyEmptyDatabase(data, cache);
    stage.database = stage.#postgres ? "PostgreSQL" : "embedded PGlite";
    stage.#environment = {
      PARLEY_LISTEN: "127.0.0.1:0",
      PARLEY_ENROL_LISTEN: "127.0.0.1:0",
      PARLEY_HEALTH_LISTEN: "127.0.0.1:0",
      PARLEY_DATA_DIR: data,
      ...(stage.#postgres && { DATABASE_URL: stage.#postgres.url("postgres") }),
      ...(await stage.organisations.operator.certificate("dealer")),
    };
    return stage;
  }

  /** Starts the processes for one network, batch and link. `kernels`: with clocks around every kernel. `env`: of all processes. */
  async cast(network, { link, runs, samples, holdBytes, kernels = false, env: more = {} }) {
    const started = [];
    const stop = async () => {
      for (const child of started.reverse()) await child.stop();
    };
    try {
      const start = async (name, file, env) => {
        const child = await startProcess(name, here(file), { env, nodeArgs: this.#named(name) });
        started.push(child);
        return child;
      };
      const env = { ...more, ...(kernels && { PARLEY_BENCH_KERNELS: "1" }) };
      const [dealer, p0, p1] = await Promise.all([
        start("the dealer", "dealer-process.mjs", { ...this.#environment, ...more }),
        start("P0", "party-server.mjs", env),
        start("P1", "party-client.mjs", env),
      ]);
      const addresses = await dealer.call("addresses");
      await this.organisations.enrol(addresses);
      const { server, client } = await this.organisations.agree(network, addresses.mtls);
      const certificate = (party) => this.organisations.workerCertificate(party);
      let endpoint = await p0.call("serve", { ...server, certificate: await certificate(0) });
      if (link !== "loopback") {
        const relay = await this.#relay(link, endpoint);
        started.push(relay);
        endpoint = relay.announced.address;
      }
      const agreement = { ...client.agreement, peerEndpoints: [endpoint] };
      const setting = { ...client, agreement, certificate: await certificate(1) };
      await p1.call("open", { setting, runs, samples, holdBytes });
      return { dealer, p0, p1, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  #named(name) {
    const file = `${name.replace("the ", "")}-${Date.now()}.cpuprofile`;
    return this.#nodeArgs.length ? [...this.#nodeArgs, `--cpu-prof-name=${file}`] : [];
  }

  #relay(link, target) {
    const { delayMs, megabits } = LINKS[link];
    return startChild({
      name: `relay-${link}`,
      command: process.execPath,
      args: [
        here("../../loadtest/relay.mjs"),
        ...["--target", target, "--delay", String(delayMs), "--bandwidth", String(megabits)],
      ],
      logs: this.folder,
      ready: (line) => (line.includes("listening") ? JSON.parse(line) : undefined),
    });
  }

  async close() {
    await this.#postgres?.stop();
  }
}
