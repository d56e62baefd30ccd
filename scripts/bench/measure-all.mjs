import { measureDealer } from "./dealer-rate.mjs";
import { describeMachine } from "./machine.mjs";
import { measure } from "./measure.mjs";
import { loadNetwork } from "./network.mjs";
import { Stage } from "./cast.mjs";
import { measureTelemetry } from "./telemetry.mjs";

/** Everything that the options choose, one measurement after the other. `ending` gets what must be ended. */
export async function measureAll({ options, folder, ending, say }) {
  const machine = describeMachine();
  const results = [];
  if (options.measurements.length) {
    const stage = await Stage.set(folder, { embedded: options.quick, cpuProfile: options["cpu-profile"] });
    ending.push(() => stage.close());
    machine.dealerDatabase = stage.database;
    const networks = new Map();
    for (const { name, batch, link } of options.measurements) {
      const network = networks.get(name) ?? loadNetwork(name);
      networks.set(name, network);
      const profile = !options["cpu-profile"] && batch === 1 && link === "loopback" && !options.quick;
      results.push(await measure(stage, network, { ...options, batch, link, profile }));
    }
  }
  if (options.telemetry) {
    const telemetry = await measureTelemetry({ options, folder, ending, say });
    return { machine, results, submitToResultMs: {}, telemetry };
  }
  const dealer = options.quick ? undefined : await measureDealer();
  if (!options.submit && !options.everything) return { machine, results, submitToResultMs: {}, dealer };
  const { measureSubmissions } = await import("./submit.mjs"); // needs packages that the engine does not
  const submitToResultMs = await measureSubmissions({ options, folder, ending, say });
  const telemetry = options.everything ? await measureTelemetry({ options, folder, ending, say }) : undefined;
  return { machine, results, submitToResultMs, dealer, ...(telemetry && { telemetry }) };
}
