import type { ClientHttp2Session } from "node:http2";
import { Code, fromServiceError, type ParleyError } from "../error.js";
import type * as common from "../gen/parley/common/v1/common.js";
import type * as probe from "../gen/parley/probe/v1/probe.js";
import { bytesText, milliseconds, type Findings } from "./finding.js";

type Echo = (padding: number, answerBytes: number) => Promise<probe.EchoResponse>;

/** What surrounds the padding in a message, at most. */
const AROUND = 64;
const PINGS = 5;
/** Clocks of certificates and tickets allow less than a minute. */
const SKEW_WARNING_S = 2;
const SKEW_FAILED_S = 30;

/** A connection's ping, milliseconds. @throws Error where it is gone */
export const ping = (session: ClientHttp2Session, timeoutMs: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no answer to a ping")), timeoutMs);
    const end = (error: Error | null, ms: number) => {
      clearTimeout(timer);
      session.off("close", onClose);
      if (error) reject(error);
      else resolve(ms);
    };
    const onClose = () => end(new Error("the connection was closed"), 0);
    session.once("close", onClose);
    if (session.closed || session.destroyed || !session.ping(end)) onClose();
  });

/** Round-trip time: the median of a few pings. */
export async function roundTrip(session: ClientHttp2Session, findings: Findings, timeoutMs: number) {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) times.push(await ping(session, timeoutMs));
  const median = times.sort((a, b) => a - b)[PINGS >> 1];
  return { ms: median, finding: findings.ok("round trip", milliseconds(median), { value: median, unit: "ms" }) };
}

/** Version and clock of the server. */
export async function greet(echo: Echo, findings: Findings, ownVersion: string): Promise<common.Finding[]> {
  const sent = Date.now();
  const { version, time } = await echo(0, 0);
  const skew = ((time?.getTime() ?? 0) - (sent + Date.now()) / 2) / 1000;
  const hint = "Synchronise both clocks (NTP): certificates, tickets and tokens are good for a short time only.";
  const figure = `${skew < 0 ? "behind" : "ahead"} by ${Math.abs(skew).toFixed(skew < 10 ? 3 : 0)} s`;
  const amount = { value: skew, unit: "s" as const };
  const size = Math.abs(skew);
  return [
    version === ownVersion
      ? findings.ok("version", version)
      : findings.warning("version", `${version}, here ${ownVersion}`, "Bring both to the same version when you can."),
    size > SKEW_FAILED_S
      ? findings.failed("clock", figure, hint, amount)
      : size > SKEW_WARNING_S
        ? findings.warning("clock", figure, hint, amount)
        : findings.ok("clock", figure, amount),
  ];
}

/** Transfers of this process are made one after the other, so that each has the line for itself. */
let turn: Promise<unknown> = Promise.resolve();

/** Whether large messages pass, and how fast they do. */
export function transfer(echo: Echo, findings: Findings, roundTripMs: number, bytes: number) {
  const mine = turn.then(() => send(echo, findings, roundTripMs, bytes));
  turn = mine;
  return mine;
}

async function send(echo: Echo, findings: Findings, roundTripMs: number, bytes: number): Promise<common.Finding[]> {
  const timed = async (up: number, down: number) => {
    const begun = performance.now();
    await echo(up, down);
    return (up + down) / (Math.max(performance.now() - begun - roundTripMs, 0.1) / 1000);
  };
  let rates: { way: string; rate: number }[];
  try {
    rates = [
      { way: "up", rate: await timed(bytes - AROUND, 0) },
      { way: "down", rate: await timed(0, bytes - AROUND) },
    ];
  } catch (caught) {
    return [messageFailure(fromServiceError(caught), findings, bytes)];
  }
  return [
    findings.ok("message", `${bytes >> 20} MiB pass both ways`, { value: bytes, unit: "bytes" }),
    ...rates.map(({ way, rate }) =>
      findings.ok(`bandwidth ${way}`, `${bytesText(Math.round(rate))}/s`, { value: rate, unit: "bytes/s" }),
    ),
  ];
}

function messageFailure(error: ParleyError, findings: Findings, bytes: number): common.Finding {
  const hint = "Raise the limit of message or body size, and the timeout, of what is between here and there.";
  const byProxy = error.reason === "HTTP_STATUS" || error.code === Code.RESOURCE_EXHAUSTED;
  return findings.failed(
    "message",
    `${bytes >> 20} MiB do not pass${byProxy ? "" : " in time"}: ${error.message}`,
    hint,
  );
}

/** Whether a connection that says nothing is left alone. */
export async function holdIdle(session: ClientHttp2Session, findings: Findings, idleMs: number, timeoutMs: number) {
  const seconds = idleMs / 1000;
  let timer: NodeJS.Timeout | undefined;
  let onClose = () => {};
  await new Promise<void>((resolve) => {
    onClose = resolve;
    timer = setTimeout(resolve, idleMs);
    session.once("close", onClose);
  });
  clearTimeout(timer);
  session.off("close", onClose);
  try {
    await ping(session, timeoutMs);
    return findings.ok("keepalive", `alive after ${seconds} s idle`, { value: seconds, unit: "s" });
  } catch {
    return findings.failed(
      "keepalive",
      `the connection was cut within ${seconds} s of silence`,
      "A proxy or firewall ends idle connections: raise its idle timeout above an hour, or let it pass TCP through.",
    );
  }
}

/** Lets a large answer stream without waiting for each window. */
export const WINDOW = { initialWindowSize: 4 << 20 };
