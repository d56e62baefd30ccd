import { parseArgs } from "node:util";

export const NETWORKS = ["A", "B", "C", "D", "M1", "M2", "C1", "breast-cancer", "diabetes", "liver", "thyroid"];
export const LINKS = ["loopback", "lan", "wan"];
const BATCHES = [1, 32, 128];
/** What is measured where nothing is chosen: everything on loopback, and single records of the larger networks on slower links. */
const OVER_LINKS = ["A", "B", "C", "D", "C1"];
const RUNS = 300;

export const USAGE = `Usage: npm run bench -- [options]

  --network A,B,..     which of ${NETWORKS.join(", ")}
  --batch 1,32,..      records of a batch, each 1 to 4096 (default ${BATCHES.join(",")})
  --link loopback,..   loopback, lan (0.1 ms one way, 5 Gbit/s), wan (20 ms, 350 Mbit/s)
  --runs N             measured runs of each, after warm-up, as far as 60 s allow (default ${RUNS})
  --json FILE          write the figures as JSON; without FILE or with "-" to standard output
  --from FILE,..       write docs/benchmarks.md from figures of --json, later files before earlier ones; measures nothing
  --quick              a few networks, few runs; fails on wrong results, message or byte counts only; writes no document
  --engine             leave out the whole system of all services (submit to result)
  --submit             measure only the whole system of all services
  --telemetry          measure only what telemetry costs: network A with all of it on and exported, against off;
                       with --engine or --submit only that half of it
  --cpu-profile DIR    let the processes write CPU profiles into a folder; for the share of each function, not for latencies
  --as-built           do not compile first: measure what was compiled last
  --micro              measure kernels and single layers in one process instead
  --help               this text

Without --network, --batch and --link: all networks and batches on loopback, and batch 1 of ${OVER_LINKS.join(", ")} on lan and wan;
then docs/benchmarks.md and docs/benchmarks/ are written, where every result was right.`;

/** @throws Error that names the option and what it takes */
export function readOptions(given) {
  // "--json" may stand alone, and then means standard output.
  const alone = (arg, i) => arg === "--json" && (given[i + 1] ?? "--").startsWith("--");
  const { values } = parseArgs({
    args: given.map((arg, i) => (alone(arg, i) ? "--json=-" : arg)),
    options: {
      network: { type: "string", multiple: true },
      batch: { type: "string", multiple: true },
      link: { type: "string", multiple: true },
      runs: { type: "string" },
      json: { type: "string" },
      from: { type: "string" },
      "cpu-profile": { type: "string" },
      ...Object.fromEntries(
        ["quick", "engine", "submit", "telemetry", "micro", "as-built", "help"].map((name) => [
          name,
          { type: "boolean" },
        ]),
      ),
    },
  });
  const list = (option, all) => {
    const chosen = (values[option] ?? []).flatMap((text) => text.split(",")).map((text) => text.trim());
    return [...new Set(chosen.map((text) => all.find((one) => one.toLowerCase() === text.toLowerCase()) ?? text))];
  };
  const chosen = { network: list("network", NETWORKS), batch: list("batch", []), link: list("link", LINKS) };
  const unknown = (option, all) => {
    const wrong = chosen[option].find((one) => !all.includes(one));
    if (wrong !== undefined) throw new Error(`--${option} ${wrong}: choose from ${all.join(", ")}`);
  };
  unknown("network", NETWORKS);
  unknown("link", LINKS);
  const batches = chosen.batch.map((text) => whole("batch", text, 1, 4096));
  if (values.engine && values.submit) throw new Error("--engine and --submit exclude each other");
  if (values.telemetry && (values.network || values.batch || values.link))
    throw new Error("--telemetry measures network A, one record, on loopback: it excludes choosing others");
  const runs = values.runs === undefined ? (values.quick ? 3 : RUNS) : whole("runs", values.runs, 1, 5000);
  const unchosen = !Object.values(chosen).some((list) => list.length);
  return {
    ...values,
    runs,
    measuredNetworks: chosen.network,
    everything:
      unchosen && !["cpu-profile", "quick", "micro", "engine", "submit", "telemetry"].some((option) => values[option]),
    measurements: values.submit || values.telemetry ? [] : choose({ ...chosen, batch: batches }, values.quick),
  };
}

function whole(option, text, least, most) {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < least || value > most)
    throw new Error(`--${option} ${text}: give a whole number from ${least} to ${most}`);
  return value;
}

function choose({ network, batch, link }, quick) {
  const cross = (networks, batches, links) =>
    links.flatMap((l) => networks.flatMap((name) => batches.map((size) => ({ name, batch: size, link: l }))));
  if (network.length || batch.length || link.length)
    return cross(
      network.length ? network : NETWORKS,
      batch.length ? batch : quick ? [1] : BATCHES,
      link.length ? link : ["loopback"],
    );
  if (quick)
    return [
      ...cross(["A", "C", "M2", "diabetes"], [1], ["loopback"]),
      ...cross(["A"], [32], ["loopback"]),
      ...cross(["A"], [1], ["lan"]),
    ];
  return [...cross(NETWORKS, BATCHES, ["loopback"]), ...cross(OVER_LINKS, [1], ["lan", "wan"])];
}
