import { claimedName, verifyLeaf } from "@parley/agreement";
import { probeConnection, type ProbeTarget, type common } from "@parley/proto";
import { X509Certificate } from "node:crypto";
import type { CertificateHolder } from "../tls/certificate-holder.js";
import type { ExpectedServer } from "../tls/credentials.js";
import { VERSION } from "./probe-binding.js";

/** Where a service is expected, and how long to hold a silent connection. */
export type ServerPlace = Pick<ProbeTarget, "source" | "target" | "address" | "idleMs" | "messageBytes" | "timeoutMs">;

/** Probes a server under mutual TLS, whose SPIFFE name and bundle are known, as {@link connect} would reach it. */
export function probeServer(
  place: ServerPlace,
  own: CertificateHolder,
  server: Pick<ExpectedServer, "org" | "role" | "bundle">,
): AsyncGenerator<common.Finding, void> {
  const { certificatePem, privateKeyPem } = own.current;
  const bundle = server.bundle();
  return probeConnection({
    ...place,
    version: VERSION,
    tls: {
      ca: bundle.map((der) => new X509Certificate(der).toString()),
      cert: certificatePem,
      key: privateKeyPem,
      verify: (leaf) => {
        const { org, role } = claimedName(leaf);
        if (org !== server.org || role !== server.role)
          throw new Error(`spiffe://${org}/${role} answers, not spiffe://${server.org}/${server.role}`);
        verifyLeaf(leaf, bundle);
      },
    },
  });
}
