import { X509Certificate } from "node:crypto";
import { observe } from "./metrics.js";

/**
 * Gauges of the time until a certificate expires, and of its whole life, without which nobody can say whether that is little:
 * some live for a day. `current` gives it as PEM (its first one counts) or DER. Returns how to end them.
 */
export function observeCertificate(certificate: string, current: () => string | Uint8Array): () => void {
  const times = () => {
    const { validFromDate, validToDate } = new X509Certificate(current());
    return { from: validFromDate.getTime(), to: validToDate.getTime() };
  };
  const ends = [
    observe("parley.certificate.remaining", (set) => set((times().to - Date.now()) / 1_000, { certificate })),
    observe("parley.certificate.lifetime", (set) => {
      const { from, to } = times();
      set((to - from) / 1_000, { certificate });
    }),
  ];
  return () => ends.forEach((end) => end());
}
