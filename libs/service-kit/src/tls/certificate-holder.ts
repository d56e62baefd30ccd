import type { experimental } from "@grpc/grpc-js";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { readBundle } from "./files.js";
import { followFiles } from "./follow-files.js";

type Provider = Parameters<typeof experimental.createCertificateProviderServerCredentials>[0];
type IdentityListener = Parameters<Provider["addIdentityCertificateListener"]>[0];
type CaListener = Parameters<Provider["addCaCertificateListener"]>[0];

/** A certificate with its chain (leaf first, authority last), and its key. */
export interface Certificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** A service's own certificate, which may be replaced while connections live: new handshakes use the new one. */
export class CertificateHolder implements Provider {
  readonly #listeners = new Set<IdentityListener>();
  #current: Certificate;

  constructor(certificate: Certificate) {
    this.#current = certificate;
  }

  get current(): Certificate {
    return this.#current;
  }

  /** The leaf, DER. */
  get leaf(): Buffer {
    return new X509Certificate(this.#current.certificatePem).raw;
  }

  replace(certificate: Certificate): void {
    this.#current = certificate;
    for (const listener of this.#listeners) listener(this.update());
  }

  private update = () => ({
    certificate: Buffer.from(this.#current.certificatePem),
    privateKey: Buffer.from(this.#current.privateKeyPem),
  });

  addIdentityCertificateListener(listener: IdentityListener) {
    this.#listeners.add(listener);
    process.nextTick(listener, this.update());
  }
  removeIdentityCertificateListener(listener: IdentityListener) {
    this.#listeners.delete(listener);
  }
  addCaCertificateListener(_listener: CaListener) {}
  removeCaCertificateListener(_listener: CaListener) {}
}

/**
 * A certificate from PEM files, read again when one of them changes. Its chain is completed from `authorities` (PEM) where it
 * lacks them, as files of cert-manager do: at first contact a caller knows the authority by its hash only.
 * @throws Error where they cannot be read at first
 */
export function certificateFromFiles(
  files: { certificate: string; privateKey: string; authorities?: string },
  everyMs?: number,
): { holder: CertificateHolder; close: () => void } {
  const read = (): Certificate => ({
    certificatePem: completeChain(files.certificate, files.authorities),
    privateKeyPem: readFileSync(files.privateKey, "utf8"),
  });
  const holder = new CertificateHolder(read());
  // Files that are written one after the other do not belong together for a moment.
  const readPair = () => {
    const next = read();
    if (isSame(next, holder.current) || isPair(next)) return next;
    throw new Error("certificate and key do not belong together yet");
  };
  const close = followFiles(readPair, isSame, holder.current, (next) => holder.replace(next), everyMs);
  return { holder, close };
}

const isSame = (a: Certificate, b: Certificate) =>
  a.certificatePem === b.certificatePem && a.privateKeyPem === b.privateKeyPem;

const isPair = ({ certificatePem, privateKeyPem }: Certificate) =>
  new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(privateKeyPem));

function completeChain(certificate: string, authorities: string | undefined): string {
  const chain = readFileSync(certificate, "utf8");
  if (authorities === undefined) return chain;
  const held = readBundle(certificate);
  const lacking = readBundle(authorities).filter((der) => !held.some((own) => own.equals(der)));
  return [chain.trim(), ...lacking.map((der) => new X509Certificate(der).toString().trim()), ""].join("\n");
}
