// The dealer's own service, with its ledger in a database; the benchmark only asks for its addresses and its use of the machine.
import { createLogger } from "../../libs/service-kit/dist/index.js";
import { readConfig, startDealer } from "../../services/dealer/dist/index.js";
import { answer } from "./process-calls.mjs";
import { telemetryOf } from "./process-telemetry.mjs";

await telemetryOf("dealer");

const service = await startDealer(readConfig(), createLogger("dealer", "error", process.stderr));
answer({ addresses: () => service.addresses, close: () => service.close() });
