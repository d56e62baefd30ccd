import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import type * as common from "../gen/parley/common/v1/common.js";
import { Stopped, milliseconds, type Findings } from "./finding.js";

/** Addresses of a name that are tried. */
const MOST_ADDRESSES = 8;

export const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
export const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(":") + 1));
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";

/** Addresses of the name. @throws Stopped */
export async function resolveName(
  host: string,
  findings: Findings,
): Promise<{ addresses: string[]; finding: common.Finding }> {
  if (isIP(host)) return { addresses: [host], finding: findings.ok("dns", "an IP address, no name") };
  const begun = performance.now();
  try {
    const found = (await lookup(host, { all: true })).map(({ address }) => address);
    const ms = performance.now() - begun;
    const shown = found.slice(0, 3).join(", ") + (found.length > 3 ? ` and ${found.length - 3} more` : "");
    const figure = `${shown} in ${milliseconds(ms)}`;
    return {
      addresses: found.slice(0, MOST_ADDRESSES),
      finding: findings.ok("dns", figure, { value: ms, unit: "ms" }),
    };
  } catch (error) {
    const isAway = codeOf(error) === "EAI_AGAIN";
    throw new Stopped(
      isAway
        ? findings.failed(
            "dns",
            `no name server answers for ${host}`,
            "Check this machine's name servers and its network.",
          )
        : findings.failed(
            "dns",
            `there is no name ${host}`,
            "Check the host name for a typing mistake, and that it is known where this runs.",
          ),
    );
  }
}

/** Connects to each address and keeps the first connection that is made. @throws Stopped where there is none */
export async function dial(
  addresses: readonly string[],
  port: number,
  findings: Findings,
  timeoutMs: number,
): Promise<{ socket: Socket; finding: common.Finding }> {
  const tries = await Promise.all(addresses.map((host) => connectTo(host, port, timeoutMs)));
  const made = tries.filter((each) => each.socket !== undefined);
  const failed = tries.filter((each) => each.socket === undefined);
  for (const { socket } of made.slice(1)) socket?.destroy();
  const [first] = made;
  if (!first?.socket) throw new Stopped(findings.failed("tcp", ...describe(failed[0].code, port, timeoutMs)));
  const amount = { value: first.ms, unit: "ms" as const };
  const others = failed.filter(({ host }) => isIP(host) === isIP(first.host)); // a host may have names in a family that it does not use
  if (others.length === 0) return { socket: first.socket, finding: findings.ok("tcp", milliseconds(first.ms), amount) };
  const [why] = describe(others[0].code, port, timeoutMs);
  const figure = `${made.length} of ${made.length + others.length} addresses answer; ${others[0].host}: ${why}`;
  const hint = "Remove the addresses that do not answer from the name, or start what should answer there.";
  return { socket: first.socket, finding: findings.warning("tcp", figure, hint, amount) };
}

interface Try {
  readonly host: string;
  readonly ms: number;
  readonly socket?: Socket;
  readonly code: string;
}

function connectTo(host: string, port: number, timeoutMs: number): Promise<Try> {
  const begun = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    const end = (code: string) => {
      socket.setTimeout(0).removeAllListeners();
      const isMade = code === "";
      if (!isMade) socket.on("error", () => {}).destroy();
      resolve({ host, ms: performance.now() - begun, code, ...(isMade && { socket }) });
    };
    socket.setTimeout(timeoutMs, () => end("ETIMEDOUT"));
    socket.once("error", (error) => end(codeOf(error) || "ERROR"));
    socket.once("connect", () => end(""));
  });
}

function describe(code: string, port: number, timeoutMs: number): [figure: string, hint: string] {
  switch (code) {
    case "ECONNREFUSED":
      return [`port ${port} refuses connections`, "Check the port, and that the service runs and listens there."];
    case "ETIMEDOUT":
      return [
        `no answer from port ${port} in ${timeoutMs / 1000} s`,
        "Something on the way drops packets: look at firewalls, security groups and NetworkPolicies.",
      ];
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return ["there is no route to the host", "Check the network, routes and VPN between here and there."];
    default:
      return [`port ${port} cannot be connected to (${code})`, "Check the network between here and there."];
  }
}
