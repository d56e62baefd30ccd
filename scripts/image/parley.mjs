#!/usr/bin/env node
// The command of the image: `parley <service>` runs a service; everything else is the command line for people.
const SERVICES = ["identity", "registry", "agreements", "scheduler", "dealer", "access-point", "worker", "setup"];

const [name] = process.argv.slice(2);
if (name === undefined) {
  console.error(`Usage: parley <${SERVICES.join("|")}>, or a command of the command line (parley --help)`);
  process.exit(2);
}
if (SERVICES.includes(name)) {
  process.argv.splice(2, 1);
  await import(`../services/${name}/dist/main.js`);
} else if (name === "self-test") {
  process.argv.splice(2, 1);
  await import("../services/setup/dist/self-test/main.js");
} else await import("../libs/cli/dist/main.js");
