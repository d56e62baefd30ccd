import type { experimental } from "@grpc/grpc-js";
import { X509Certificate } from "node:crypto";

type Provider = Parameters<typeof experimental.createCertificateProviderServerCredentials>[0];
type CaListener = Parameters<Provider["addCaCertificateListener"]>[0];
type IdentityListener = Parameters<Provider["addIdentityCertificateListener"]>[0];

/**
 * The certificate authorities that are pinned for each organisation. TLS admits a certificate of any of them; which
 * organisation it may speak for is decided per call, against the bundle of the organisation that it names.
 */
export class TrustStore implements Provider {
  readonly #bundles = new Map<string, readonly Buffer[]>();
  readonly #listeners = new Set<CaListener>();
  readonly #removed = new Set<(org: string) => void>();
  #generation = 0;

  constructor(initial: Readonly<Record<string, readonly Uint8Array[]>> = {}) {
    for (const [org, bundle] of Object.entries(initial))
      this.#bundles.set(
        org,
        bundle.map((der) => Buffer.from(der)),
      );
  }

  bundleOf(org: string): readonly Buffer[] | undefined {
    return this.#bundles.get(org);
  }

  /** Another number after every change: what was concluded under an older one holds no more. */
  get generation(): number {
    return this.#generation;
  }

  get organisations(): string[] {
    return [...this.#bundles.keys()];
  }

  /** Pins a bundle; takes effect for new handshakes and for calls on open connections at once. */
  setBundle(org: string, bundle: readonly Uint8Array[]): void {
    this.#bundles.set(
      org,
      bundle.map((der) => Buffer.from(der)),
    );
    this.publish();
    this.#removed.forEach((listener) => listener(org));
  }

  removeBundle(org: string): void {
    if (!this.#bundles.delete(org)) return;
    this.publish();
    this.#removed.forEach((listener) => listener(org));
  }

  /** Called when a bundle was replaced or removed: open streams of the organisation must be checked again. */
  onChange(listener: (org: string) => void): void {
    this.#removed.add(listener);
  }

  /** All authorities as PEM. */
  get pem(): string {
    return [...this.#bundles.values()]
      .flat()
      .map((der) => new X509Certificate(der).toString())
      .join("");
  }

  private publish() {
    this.#generation++;
    for (const listener of this.#listeners) listener({ caCertificate: Buffer.from(this.pem) });
  }

  addCaCertificateListener(listener: CaListener) {
    this.#listeners.add(listener);
    process.nextTick(listener, { caCertificate: Buffer.from(this.pem) });
  }
  removeCaCertificateListener(listener: CaListener) {
    this.#listeners.delete(listener);
  }
  addIdentityCertificateListener(_listener: IdentityListener) {}
  removeIdentityCertificateListener(_listener: IdentityListener) {}
}
