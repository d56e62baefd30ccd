import { X509Certificate } from "node:crypto";
import { observe } from "./metrics.js";

/** Gauge of the time until a certificate expires; `current` gives it as PEM (its first one counts) or DER. Returns how to end it. */
export const observeCertificate = (certificate: string, current: () => string | Uint8Array): (() => void) =>
  observe("parley.certificate.remaining", (set) =>
    set((new X509Certificate(current()).validToDate.getTime() - Date.now()) / 1_000, { certificate }),
  );
