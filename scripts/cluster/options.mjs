// Options that `npm run cluster:demo` and `npm run test:cluster` share.
import { parseArgs } from "node:util";

export const SHARED_HELP = `  --image REF           image of Parley, repository:tag (default parley:<version>); the cluster must be able to get it
  --postgres-image REF  image of the trial PostgreSQL (default: the charts')
  --valkey-image REF    image of the trial Valkey or Redis (default: the charts')
  --valkey-command CMD  its server's command (default: the charts')
  --keep                leave the installations in the cluster
  --json                one JSON object on standard output at the end
  --help                this text`;

export function readClusterOptions(usage, version, more = {}) {
  const options = {
    image: { type: "string", default: `parley:${version}` },
    "postgres-image": { type: "string" },
    "valkey-image": { type: "string" },
    "valkey-command": { type: "string" },
    keep: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    ...more,
  };
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  if (!/:[^/:]+$/.test(values.image)) {
    console.error(`${values.image} has no tag; give --image repository:tag`);
    process.exit(2);
  }
  return {
    ...values,
    postgresImage: values["postgres-image"],
    valkeyImage: values["valkey-image"],
    valkeyCommand: values["valkey-command"],
  };
}
