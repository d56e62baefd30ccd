import { X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { checkServerIdentity, connect, type TLSSocket } from "node:tls";
import type * as common from "../gen/parley/common/v1/common.js";
import { Stopped, milliseconds, type Findings } from "./finding.js";

/** How a server is recognised, and how one shows oneself. */
export interface ProbeTls {
  /** Authorities, PEM. */
  readonly ca: readonly string[];
  /** Own chain and key, PEM, under mutual TLS. */
  readonly cert?: string;
  readonly key?: string;
  /** Further checks of the leaf, DER, e.g. of its SPIFFE name. @throws Error that says what is wrong */
  readonly verify?: (leaf: Buffer) => void;
}

const DAY_MS = 86_400_000;
/** Certificates are renewed at half of their life: one that has less left than this part was not. */
const LATE = 1 / 4;

/** The TLS handshake, and everything about the certificate. @throws Stopped */
export async function handshake(
  socket: Socket,
  host: string,
  tls: ProbeTls,
  findings: Findings,
  timeoutMs: number,
): Promise<{ socket: TLSSocket; findings: common.Finding[] }> {
  const begun = performance.now();
  const secured = await secure(socket, host, tls, findings, timeoutMs);
  const ms = performance.now() - begun;
  const { raw } = secured.getPeerCertificate();
  const leaf = new X509Certificate(raw);
  try {
    checkChain(secured, leaf, findings);
    const found = [
      findings.ok("tls", `${secured.getProtocol()}, ${milliseconds(ms)}`, { value: ms, unit: "ms" }),
      checkName(secured, host, leaf, tls, findings),
      ageOf("certificate", leaf, findings),
    ];
    const authority = tls.ca.map((pem) => new X509Certificate(pem)).find((one) => leaf.checkIssued(one));
    if (authority) found.push(ageOf("authority", authority, findings));
    if (secured.alpnProtocol !== "h2")
      throw new Stopped(
        findings.failed(
          "alpn",
          `HTTP/2 is not offered there (${secured.alpnProtocol || "nothing was chosen"})`,
          "A proxy that speaks HTTP/1.1 only ends TLS on the way. Let it pass TLS through, or turn HTTP/2 on.",
        ),
      );
    return { socket: secured, findings: [...found, findings.ok("alpn", "h2")] };
  } catch (error) {
    secured.destroy();
    throw error;
  }
}

function secure(
  socket: Socket,
  host: string,
  tls: ProbeTls,
  findings: Findings,
  timeoutMs: number,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secured = connect({
      socket,
      servername: isIP(host) ? "" : host,
      ca: [...tls.ca],
      cert: tls.cert,
      key: tls.key,
      ALPNProtocols: ["h2"],
      rejectUnauthorized: false, // what is wrong is told below, in words, and nothing is sent before
      checkServerIdentity: () => undefined,
    });
    const fail = (figure: string, hint: string) => {
      secured.on("error", () => {}).destroy();
      reject(new Stopped(findings.failed("tls", figure, hint)));
    };
    secured.setTimeout(timeoutMs, () =>
      fail(`no answer to the handshake in ${timeoutMs / 1000} s`, "Check that this is the port of the TLS service."),
    );
    secured.once("error", (error: NodeJS.ErrnoException) => {
      if (/WRONG_VERSION|PACKET_LENGTH|HTTP_REQUEST/.test(error.code ?? ""))
        fail(
          "what answers there does not speak TLS",
          "Check the port: it may be the plaintext health port, or a proxy's.",
        );
      else if (/NO_APPLICATION_PROTOCOL/.test(error.code ?? ""))
        fail(
          "HTTP/2 is not offered there",
          "A proxy that speaks HTTP/1.1 only ends TLS on the way. Let it pass TLS through, or turn HTTP/2 on.",
        );
      else
        fail(
          `the handshake breaks (${error.code ?? error.message})`,
          "Check the port, and that nothing between here and there ends TLS.",
        );
    });
    secured.once("secureConnect", () => {
      secured.setTimeout(0).removeAllListeners("error");
      secured.on("error", () => {});
      resolve(secured);
    });
  });
}

function checkChain(socket: TLSSocket, leaf: X509Certificate, findings: Findings) {
  if (socket.authorized) return;
  const code = String(
    (socket.authorizationError as unknown as NodeJS.ErrnoException)?.code ?? socket.authorizationError,
  );
  if (code === "CERT_HAS_EXPIRED")
    throw new Stopped(
      findings.failed("certificate", `expired at ${leaf.validTo}`, "Renew it there; and check both clocks."),
    );
  if (code === "CERT_NOT_YET_VALID")
    throw new Stopped(
      findings.failed(
        "certificate",
        `not valid before ${leaf.validFrom}`,
        `The clock here (${new Date().toISOString()}) or there is wrong: check both, and NTP.`,
      ),
    );
  throw new Stopped(
    findings.failed(
      "tls",
      `the certificate is from an authority that is not trusted here (${code})`,
      "Take the authority's certificate again from the people who run the service. If it is the right one, somebody answers in their place.",
    ),
  );
}

function checkName(socket: TLSSocket, host: string, leaf: X509Certificate, tls: ProbeTls, findings: Findings) {
  try {
    tls.verify?.(leaf.raw);
  } catch (error) {
    const hint = "Check the address: another service answers there, or its organisation has new keys.";
    throw new Stopped(findings.failed("name", (error as Error).message, hint));
  }
  if (checkServerIdentity(host, socket.getPeerCertificate()))
    throw new Stopped(
      findings.failed(
        "name",
        `the certificate is for ${hostNames(leaf)}, not for ${host}`,
        "Use one of its names in the address, or add this one to the certificate (PARLEY_ADVERTISE, extra DNS names).",
      ),
    );
  return findings.ok("name", host);
}

const hostNames = ({ subjectAltName = "" }: X509Certificate): string =>
  subjectAltName
    .split(", ")
    .filter((entry) => /^(DNS|IP Address):/.test(entry))
    .map((entry) => entry.slice(entry.indexOf(":") + 1))
    .join(", ") || "no host";

/** How long a certificate is good for. */
export function ageOf(
  check: string,
  certificate: X509Certificate,
  findings: Findings,
  now = Date.now(),
): common.Finding {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const days = (to - now) / DAY_MS;
  const amount = { value: days, unit: "days" as const };
  const hours = days * 24;
  const left = hours < 48 ? `${hours.toFixed(1)} hours left` : `${Math.floor(days)} days left`;
  if (days <= 0) return findings.failed(check, `expired at ${certificate.validTo}`, "Renew it.", amount);
  return to - now < LATE * (to - from)
    ? findings.warning(check, left, "It should have been renewed by now: look why it was not.", amount)
    : findings.ok(check, left, amount);
}
