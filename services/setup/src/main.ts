import { createLogger } from "@parley/service-kit";
import { parseArgs } from "node:util";
import { keepAccessPoint } from "./access-point.js";
import { Secrets, podAccess } from "./kubernetes.js";
import { setUpOperator } from "./operator.js";

const USAGE = `Usage: parley setup <router|dealer|access-point> --release NAME [options]

In a pod, with a service account that may write the release's Secrets.
router, dealer: makes keys, and with --tls an authority and certificates, where they are absent; renews certificates past half
of their life. Ends.
access-point: beside a running access point, keeps the administrator's profile and the workers' token in Secrets. Stays.

  --release NAME      name that the Secrets begin with
  --dns-suffix NAME   what follows the names of Services (default NAMESPACE.svc.cluster.local)
  --extra-dns NAME    another name in certificates; may be given several times
  --tls               make certificates too`;

const logger = createLogger("setup", process.env.PARLEY_LOG_LEVEL);
try {
  await run();
} catch (error) {
  logger.fatal({ err: error }, "setup failed");
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

async function run() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      release: { type: "string" },
      "dns-suffix": { type: "string" },
      "extra-dns": { type: "string", multiple: true, default: [] },
      tls: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [what] = positionals;
  const { release } = values;
  if (values.help || !release || !["router", "dealer", "access-point"].includes(what)) {
    process.stderr.write(`${USAGE}\n`);
    process.exit(values.help ? 0 : 2);
  }
  const access = podAccess();
  const labels = {
    "app.kubernetes.io/managed-by": "parley-setup",
    "app.kubernetes.io/part-of": "parley",
    "app.kubernetes.io/instance": release,
  };
  const secrets = new Secrets(access, labels);
  if (what === "access-point") return stay(secrets, release);
  const made = await setUpOperator(secrets, {
    operator: what === "router" ? "router" : "dealer",
    release,
    domain: process.env.PARLEY_TRUST_DOMAIN || what,
    dnsSuffix: values["dns-suffix"] ?? `${access.namespace}.svc.cluster.local`,
    extraDns: values["extra-dns"],
    tls: values.tls,
  });
  logger.info({ made }, made.length ? "made what was absent or half spent" : "all is there");
}

async function stay(secrets: Secrets, release: string) {
  const folder = process.env.PARLEY_DATA_DIR;
  if (!folder) throw new Error("PARLEY_DATA_DIR is not set: the folder of the access point");
  const end = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => end.abort());
  const port = (process.env.PARLEY_ENROL_LISTEN ?? "0.0.0.0:8444").split(":").at(-1);
  const settings = {
    release,
    folder,
    adminKeyFile: process.env.PARLEY_ADMIN_KEY_FILE || undefined,
    address: `${process.env.PARLEY_ADVERTISE ?? "localhost"}:${port}`,
    local: `localhost:${port}`,
  };
  await keepAccessPoint(secrets, settings, logger, end.signal);
}
