// All that the benchmark takes from a worker: its own code for sessions, over its own transport. What a worker asks its
// access point for is answered here, at once and without a disk: the benchmark of whole systems measures that part.
import { PARTY_SERVER, agreementMessage } from "./agreement-message.mjs";
import {
  CertificateHolder,
  TrustStore,
  createLogger,
  newTrace,
  startSpan,
  thumbprintOf,
  traceparentOf,
  withTrace,
} from "../../libs/service-kit/dist/index.js";
import { polls, readConfig } from "../../services/worker/dist/config.js";
import { DealerLink } from "../../services/worker/dist/dealing/dealer-link.js";
import { AgreementSet } from "../../services/worker/dist/models/agreement-set.js";
import { Operands } from "../../services/worker/dist/models/operands.js";
import { PartnerConnections } from "../../services/worker/dist/peer/partner-connections.js";
import { PeerServer } from "../../services/worker/dist/peer/peer-server.js";
import { Poller } from "../../services/worker/dist/peer/poller.js";
import { ClientParty } from "../../services/worker/dist/session/client-party.js";
import { ownSteps, partnerSteps } from "../../services/worker/dist/telemetry/run-steps.js";
import { tellRun } from "../../services/worker/dist/telemetry/run-telemetry.js";

/** A worker's settings where nobody changes them. */
const config = readConfig({ PARLEY_WORKER_TOKEN_FILE: "unused" });
const CONNECT_MS = 5_000;
/** As long as a worker waits for its partner's steps. */
const STEPS_MS = 20;

/** What one party's sessions need; `asked` hears what the worker would ask its access point. */
function dependencies({ certificate, agreement, weights, masked }, asked = () => {}) {
  const logger = createLogger("worker", "error", process.stderr);
  const own = new CertificateHolder(certificate);
  const trust = new TrustStore();
  const agreements = new AgreementSet(trust, logger);
  agreements.replace([agreementMessage(agreement)]);
  const piece = (bytes) =>
    async function* () {
      yield { chunk: Buffer.from(bytes) };
    };
  const fleet = { getWeights: piece(weights), getMaskedWeights: piece(masked) };
  const ask = async (body) => asked(body.$case);
  const timeoutMs = 10 * config.PARLEY_SESSION_TIMEOUT_MS;
  const parts = {
    agreements,
    operands: new Operands(() => fleet),
    dealers: new DealerLink(own, timeoutMs),
    fleet: { ask, askSurely: ask, tell: () => {}, requireThere: () => {} },
    poller: new Poller(polls(config)),
    logger,
    certificate: () => thumbprintOf(own.leaf),
    timeoutMs,
    idleMs: 10 * config.PARLEY_IDLE_LIMIT_MS,
  };
  return { own, trust, logger, parts };
}

/** P0: serves sessions. @param asked see {@link dependencies} @returns its address */
export async function serveSessions(setting, asked) {
  if (setting.agreement.party !== PARTY_SERVER) throw new Error("P0 has the model owner's side of the agreement");
  const { own, trust, logger, parts } = dependencies(setting, asked);
  const server = new PeerServer(own, trust, parts, logger);
  return { address: `localhost:${await server.listen("127.0.0.1:0")}` };
}

/** P1: opens streams to P0; each carries one run after the other. */
export function sessionsOf(setting) {
  const { own, parts } = dependencies(setting);
  const d = { ...parts, connections: new PartnerConnections(own), lot: config.PARLEY_LOT };
  const [id] = parts.agreements.ids;
  const binding = { ticket: "a ticket that the stand-in for the access point does not read", jobId: "job", run: 0 };
  let attempts = 0;
  return {
    plan: parts.agreements.get(id).plan,
    /** A stream with a first run prepared on it. */
    async open(records) {
      const agreement = parts.agreements.get(id);
      const connection = await d.connections.take(agreement);
      const party = await ClientParty.prepare(d, agreement, records, connection, CONNECT_MS);
      return {
        records,
        prepareNext: () => party.prepareNext(),
        run: (input) => runTold(party, { ...binding, attemptId: `attempt ${++attempts}` }, input),
        dryMicros: () => party.dry(),
        settled: () => party.settled(),
        close: () => party.close(),
      };
    },
  };
}

/** A run with what a worker does for telemetry around it: a span, and both parties' steps. */
async function runTold(party, binding, input) {
  const trace = newTrace();
  const parent = { ...trace, sampled: trace.sampled && process.env.PARLEY_BENCH_STEPS !== "off" };
  const span = startSpan("parley.run", { "parley.attempt.id": binding.attemptId }, { parent });
  const traceparent = traceparentOf(span.context);
  const outcome = await withTrace(span.context, () =>
    party.run({ ...binding, traceparent, wantsSteps: span.context.sampled }, input),
  );
  const told = await outcome.partner?.within(STEPS_MS);
  const steps = told ? [...ownSteps(outcome.record), ...partnerSteps(told, outcome.record)] : [];
  tellRun(span, outcome.record);
  return { ...outcome, steps };
}
