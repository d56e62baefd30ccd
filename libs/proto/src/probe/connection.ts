import { connect, type ClientHttp2Session } from "node:http2";
import type { TLSSocket } from "node:tls";
import { Code, fromServiceError } from "../error.js";
import type * as common from "../gen/parley/common/v1/common.js";
import { callEcho } from "./echo-call.js";
import { Findings, Stopped } from "./finding.js";
import { handshake, type ProbeTls } from "./handshake.js";
import { WINDOW, greet, holdIdle, ping, roundTrip, transfer } from "./measure.js";
import { dial, hostOf, portOf, resolveName } from "./network.js";

/** A place to be probed. */
export interface ProbeTarget {
  /** From where, e.g. "cli". */
  readonly source: string;
  /** What, e.g. "dealer". */
  readonly target: string;
  /** host:port */
  readonly address: string;
  readonly tls: ProbeTls;
  /** Version of the caller. */
  readonly version: string;
  /** How long the connection is held without a word, milliseconds. */
  readonly idleMs: number;
  /** Size of the large message; 4 MiB, gRPC's own limit, by default. */
  readonly messageBytes?: number;
  /** Sent with the calls. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** For each step, milliseconds. */
  readonly timeoutMs?: number;
}

/** How long the transfer of one large message may take. */
const TRANSFER_MS = 60_000;

/**
 * Looks at a place the way a call gets there, on one connection of its own: name, port, TLS, certificate, HTTP/2, round trip,
 * version, clock, large messages, silence. Findings come as they are made; the first failure that bars the way is the last.
 */
export async function* probeConnection(place: ProbeTarget): AsyncGenerator<common.Finding, void> {
  const { source, target, address, tls, timeoutMs = 5_000 } = place;
  const findings = new Findings(source, target, address);
  const host = hostOf(address);
  let socket: TLSSocket | undefined;
  let session: ClientHttp2Session | undefined;
  try {
    const { addresses, finding: dns } = await resolveName(host, findings);
    yield dns;
    const dialled = await dial(addresses, portOf(address), findings, timeoutMs);
    yield dialled.finding;
    const secured = await handshake(dialled.socket, host, tls, findings, timeoutMs);
    socket = secured.socket;
    yield* secured.findings;
    session = await open(address, socket, findings, timeoutMs);
    const { ms, finding } = await roundTrip(session, findings, timeoutMs);
    yield finding;
    yield* talk(session, place, findings, ms);
    if (place.idleMs > 0) yield await holdIdle(session, findings, place.idleMs, timeoutMs);
  } catch (error) {
    if (error instanceof Stopped) yield error.finding;
    else
      yield findings.failed(
        "http2",
        `the connection breaks (${(error as Error).message})`,
        "Check what is between here and there, and the service's log.",
      );
  } finally {
    session?.destroy();
    socket?.destroy();
  }
}

/** @throws Stopped where HTTP/2 does not come about */
async function open(address: string, socket: TLSSocket, findings: Findings, timeoutMs: number) {
  const session = connect(`https://${address}`, { createConnection: () => socket, settings: WINDOW });
  let broke = "";
  session.on("error", (error: NodeJS.ErrnoException) => (broke = error.code ?? error.message));
  session.on("connect", () => session.setLocalWindowSize(8 << 20));
  try {
    await ping(session, timeoutMs);
    return session;
  } catch (error) {
    session.destroy();
    throw new Stopped(
      findings.failed(
        "http2",
        `the connection is ended after the handshake (${broke || (error as Error).message})`,
        "The server does not take this certificate (unknown organisation, or revoked there), or a proxy does not pass HTTP/2.",
      ),
    );
  }
}

async function* talk(session: ClientHttp2Session, place: ProbeTarget, findings: Findings, roundTripMs: number) {
  const echo = (padding: number, answerBytes: number) =>
    callEcho(session, { padding: Buffer.alloc(padding), answerBytes }, place.metadata ?? {}, TRANSFER_MS);
  try {
    yield* await greet(echo, findings, place.version);
  } catch (caught) {
    const { code, message } = fromServiceError(caught);
    if (code === Code.UNIMPLEMENTED)
      yield findings.warning(
        "version",
        "older than probes",
        "Upgrade it to have version, clock and bandwidth measured.",
      );
    else
      yield findings.failed(
        "call",
        `calls are refused: ${message || Code[code]}`,
        code === Code.UNAUTHENTICATED || code === Code.PERMISSION_DENIED
          ? "Check the API key of the profile, or that this organisation is enrolled there and not revoked."
          : "See the service's log; a proxy may not pass gRPC.",
      );
    return;
  }
  yield* await transfer(echo, findings, roundTripMs, place.messageBytes ?? 4 << 20);
}
