import { claimedName, verifyLeaf } from "@parley/agreement";
import { ServerCredentials, credentials, experimental, type ChannelCredentials } from "@grpc/grpc-js";
import tls, { type PeerCertificate } from "node:tls";
import type { CertificateHolder } from "./certificate-holder.js";
import { TrustStore } from "./trust-store.js";

tls.DEFAULT_MIN_VERSION = "TLSv1.3";

/** Mutual TLS; certificates and bundles may change while the server runs. */
export const mutualServerCredentials = (own: CertificateHolder, trust: TrustStore): ServerCredentials =>
  // grpc-js 1.14 declares (authorities, identity) and implements (identity, authorities).
  experimental.createCertificateProviderServerCredentials(own, trust, true);

/** Server-side TLS: for first contact, and for members with an API key. */
export const serverCredentials = (own: CertificateHolder): ServerCredentials =>
  // The null stands for the authorities (see above): no client certificate is asked for.
  experimental.createCertificateProviderServerCredentials(own, null, false);

/** Whom a client expects at the other end. */
export interface ExpectedServer {
  readonly org: string;
  readonly role: string;
  /** Authorities pinned for that organisation, DER. */
  readonly bundle: () => readonly Uint8Array[];
  /** Where that bundle may change while connections live: the store that follows it. */
  readonly trust?: TrustStore;
  /** Called with the leaf (DER) of each handshake that passed. */
  readonly onLeaf?: (der: Buffer) => void;
}

/** Mutual TLS to a server whose SPIFFE name and bundle are known; the name is checked as well as the host. */
export function mutualChannelCredentials(own: CertificateHolder, server: ExpectedServer): ChannelCredentials {
  const trust = server.trust ?? new TrustStore({ [server.org]: server.bundle() });
  return experimental.createCertificateProviderChannelCredentials(trust, own, {
    checkServerIdentity: expectServer(server),
  });
}

/** TLS to a server of a known authority, without a certificate of one's own: first contact. */
export const pinnedChannelCredentials = (authorityPem: string): ChannelCredentials =>
  credentials.createSsl(Buffer.from(authorityPem));

function expectServer(server: ExpectedServer) {
  return (host: string, certificate: PeerCertificate): Error | undefined => {
    try {
      const { org, role } = verifyLeaf(certificate.raw, server.bundle());
      if (org === server.org && role === server.role) {
        server.onLeaf?.(certificate.raw);
        return tls.checkServerIdentity(host, certificate);
      }
    } catch {
      // told below
    }
    return new Error(
      `the server at ${host} is ${nameOf(certificate)}, not spiffe://${server.org}/${server.role} under its pinned authority`,
    );
  };
}

function nameOf(certificate: PeerCertificate): string {
  try {
    const { org, role } = claimedName(certificate.raw);
    return `spiffe://${org}/${role}`;
  } catch {
    return "without a SPIFFE name";
  }
}
