import { X509Certificate } from "node:crypto";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { AgreementError } from "./error.js";
import { thumbprint, verifyLeaf } from "./leaf.js";
import type { OneTimeToken } from "./one-time-token.js";

const TIMEOUT_MS = 10_000;

/**
 * First contact. Connects to the token's address and sends nothing but the TLS handshake; returns the PEM of the authority
 * whose SHA-256 the token holds, provided that the server presents it and that its leaf is signed by it. Only then may the
 * secret be sent, over a connection that trusts this authority alone.
 * @throws AgreementError AUTHORITY_UNREACHABLE, AUTHORITY_MISMATCH, CERTIFICATE_INVALID
 */
export async function fetchIssuerAuthority(token: Pick<OneTimeToken, "address" | "caSha256">): Promise<string> {
  const [leaf, ...rest] = await presentedChain(token.address);
  const authority = [leaf, ...rest].find((der) => thumbprint(der).toString("hex") === token.caSha256);
  if (authority === undefined)
    throw new AgreementError(
      "AUTHORITY_MISMATCH",
      `the server at ${token.address} does not present the authority that the one-time token names`,
      "Someone may answer in the issuer's place, or the token is from another installation. Nothing was sent to it.",
    );
  verifyLeaf(leaf, [authority]);
  return new X509Certificate(authority).toString();
}

/** The certificates that the server presents, leaf first. */
function presentedChain(address: string): Promise<Buffer[]> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  const port = Number(address.slice(colon + 1));
  const servername = /^[\d.]+$|:/.test(host) ? "" : host;
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(
        new AgreementError(
          "AUTHORITY_UNREACHABLE",
          `no TLS connection to the issuer at ${address}: ${why}`,
          "Check the address in the one-time token and that the issuer runs.",
          { cause },
        ),
      );
    };
    // The chain is checked by hand below: the authority is not known before this connection shows it.
    const socket = connect({
      host,
      port,
      servername,
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
      ALPNProtocols: ["h2"],
    });
    socket.setTimeout(TIMEOUT_MS, () => fail("no answer"));
    socket.once("error", (cause) => fail(cause.message, cause));
    socket.once("secureConnect", () => {
      const chain = chainOf(socket.getPeerCertificate(true));
      socket.destroy();
      chain.length > 0 ? resolve(chain) : fail("it presents no certificate");
    });
  });
}

function chainOf(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  const seen = new Set<DetailedPeerCertificate>();
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.raw && !seen.has(at); at = at.issuerCertificate) {
    seen.add(at);
    chain.push(at.raw);
  }
  return chain;
}
