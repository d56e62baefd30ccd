import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
  sendUnaryData,
} from "@grpc/grpc-js";
import { Code, ParleyError, toServiceError } from "@parley/proto";
import { databaseAway, isDatabaseAway } from "../database/away.js";
import type { TokenVerifier } from "../router/token.js";
import type { Logger } from "../telemetry/logger.js";
import { continueTrace, withTrace, withoutTrace } from "../telemetry/trace.js";
import { authenticatePeer, type Peer } from "../tls/peer.js";
import type { TrustStore } from "../tls/trust-store.js";
import type { Access, CallContext } from "./handlers.js";
import type { AnyHandler, Binding } from "./implement.js";
import { observeServerCall } from "./observed-calls.js";

/** A call under way, so that it can be ended from outside. */
export interface OpenCall {
  readonly abort: AbortController;
  /** A stream that goes on for ever: it is ended when the server drains, others may finish. */
  readonly lasting: boolean;
  /** Ended because the server drains: the caller is told to go elsewhere. */
  draining: boolean;
  org?: string;
  stillTrusted: () => boolean;
}
export type OpenCalls = Set<OpenCall>;

interface Environment {
  readonly logger: Logger;
  readonly calls: OpenCalls;
  readonly trust?: TrustStore;
  readonly tokens?: Pick<TokenVerifier, "verify">;
}

type Call =
  | ServerUnaryCall<unknown, unknown>
  | ServerReadableStream<unknown, unknown>
  | ServerWritableStream<unknown, unknown>
  | ServerDuplexStream<unknown, unknown>;

/** Turns promise and iterable handlers into those of grpc-js. */
export function adapt(binding: Binding, environment: Environment): UntypedServiceImplementation {
  const entries = Object.entries(binding.definition).map(([name, method]) => {
    const handler = binding.handlers[name];
    if (!handler) throw new Error(`${method.path} has no handler`);
    const lasting = method.responseStream && (method.requestStream || /\/Watch[^/]*$/.test(method.path));
    const run = { environment, access: binding.access(name), handler, path: method.path, lasting };
    if (!method.responseStream)
      return [name, (call: Call, callback: sendUnaryData<unknown>) => void answer(run, call, callback)] as const;
    return [name, (call: ServerWritableStream<unknown, unknown>) => void stream(run, call)] as const;
  });
  return Object.fromEntries(entries);
}

/** Why a signal aborts when its call is over: one reason for all, since making one costs more than most calls. */
const ENDED = new Error("the call has ended");

interface Run {
  readonly environment: Environment;
  readonly access: Access;
  readonly handler: AnyHandler;
  readonly path: string;
  readonly lasting: boolean;
}

const draining = () =>
  new ParleyError(Code.UNAVAILABLE, "DRAINING", "the service is shutting down", "Try again: another instance answers.");

async function answer(run: Run, call: Call, callback: sendUnaryData<unknown>) {
  await within(run, call, async (context) => {
    const request = "request" in call ? call.request : call;
    callback(null, await run.handler(request, context));
  }).catch((error: unknown) => callback(toServiceError(error)));
}

async function stream(run: Run, call: ServerWritableStream<unknown, unknown>) {
  await within(run, call, async (context, open) => {
    const request = "request" in call && call.request !== undefined ? call.request : requestsOf(call);
    for await (const message of run.handler(request, context) as AsyncIterable<unknown>) {
      if (call.cancelled || call.destroyed) return;
      if (!call.write(message)) await drained(call);
    }
    if (open.draining) throw draining();
    call.end();
  }).catch((error: unknown) => call.emit("error", toServiceError(error)));
}

/** A handler that stops reading, above all one that refuses, must not destroy the stream: its status could not leave any more. */
const requestsOf = (call: ServerWritableStream<unknown, unknown>): AsyncIterable<unknown> => {
  const duplex = call as unknown as ServerDuplexStream<unknown, unknown>;
  return { [Symbol.asyncIterator]: () => duplex.iterator({ destroyOnReturn: false }) };
};

async function within(run: Run, call: Call, work: (context: CallContext, open: OpenCall) => Promise<void>) {
  const { environment, path } = run;
  const parent = continueTrace(call.metadata.get("traceparent")[0]?.toString());
  const observed = observeServerCall(path, parent);
  const { trace } = observed;
  const started = performance.now();
  const abort = new AbortController();
  const open: OpenCall = { abort, lasting: run.lasting, draining: false, stillTrusted: () => true };
  environment.calls.add(open);
  (call as ServerWritableStream<unknown, unknown>).on("cancelled", () => abort.abort());
  let peer: Peer | undefined;
  // A stream between services that stays open, and that no request asked for, serves many: what happens in it is in no trace of its own.
  const inTrace =
    parent.isNew && run.lasting && environment.trust ? withoutTrace : <T>(work: () => T) => withTrace(trace, work);
  await inTrace(async () => {
    let code: Code = Code.OK;
    let failure: unknown;
    try {
      const { trust } = environment;
      if (trust) {
        const raw = call.getAuthContext()?.sslPeerCertificate?.raw;
        peer = authenticatePeer(raw, trust);
        open.org = peer.org;
        open.stillTrusted = () => trusted(raw, trust);
      }
      permit(run.access, peer, path);
      const token = run.access.token ? await environment.tokens?.verify(bearer(call), peer) : undefined;
      if (run.access.token && !token) throw new Error(`${path} needs a token, but the server has no verifier`);
      await work({ peer, token, trace, signal: abort.signal, metadata: call.metadata }, open);
    } catch (caught) {
      failure = caught;
      const error = open.draining && !(caught instanceof ParleyError) ? draining() : known(caught);
      code = error instanceof ParleyError ? error.code : abort.signal.aborted ? Code.CANCELLED : Code.INTERNAL;
      if (code === Code.INTERNAL) environment.logger.error({ rpc: path, err: error }, "rpc failed");
      if (error !== caught && code === Code.UNAVAILABLE && !open.draining)
        environment.logger.warn({ rpc: path, err: caught }, "the database is away");
      throw code === Code.CANCELLED && !(error instanceof ParleyError)
        ? new ParleyError(code, "CANCELLED", "the call was ended")
        : error;
    } finally {
      environment.calls.delete(open);
      observed.ended(code, peer && `${peer.org}/${peer.role}`, failure);
      abort.abort(ENDED);
      if (environment.logger.isLevelEnabled("debug")) {
        const ms = Math.round((performance.now() - started) * 1000) / 1000;
        environment.logger.debug({ rpc: path, code: Code[code], ms, peer: peer && `${peer.org}/${peer.role}` }, "rpc");
      }
    }
  });
}

const known = (error: unknown) => (isDatabaseAway(error) ? databaseAway(error) : error);

const bearer = (call: Call) => /^Bearer (.+)$/.exec(call.metadata.get("authorization")[0]?.toString() ?? "")?.[1];

function trusted(certificate: Buffer | undefined, trust: TrustStore): boolean {
  try {
    authenticatePeer(certificate, trust);
    return true;
  } catch {
    return false;
  }
}

function permit(access: Access, peer: Peer | undefined, path: string) {
  if (!access.roles) return;
  if (peer && access.roles.includes(peer.role) && (access.org === undefined || access.org === peer.org)) return;
  const who = peer ? `${peer.org}/${peer.role}` : "this caller";
  throw new ParleyError(
    Code.PERMISSION_DENIED,
    "ROLE_REFUSED",
    `${who} may not call ${path}`,
    `It is for role ${access.roles.join(" or ")}${access.org ? ` of ${access.org}` : ""}.`,
  );
}

const drained = (call: ServerWritableStream<unknown, unknown>) =>
  new Promise<void>((resolve) => {
    const done = () => {
      call.off("drain", done);
      call.off("close", done);
      call.off("cancelled", done);
      resolve();
    };
    call.on("drain", done);
    call.on("close", done);
    call.on("cancelled", done);
  });
