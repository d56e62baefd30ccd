import { observe, observeCertificate } from "@parley/service-kit";
import type { Vault } from "../store/vault.js";
import type { OwnOrganisation } from "./own-organisation.js";

/** Gauges of an access point: certificates, and the own count of quota of agreements on own models. Returns how to end them. */
export function observeAccessPoint(own: Pick<OwnOrganisation, "certificate" | "keys">, vault: Vault): () => void {
  // The count that holds is the model owner's.
  const lent = () => vault.agreements.current().filter(({ party }) => party === 0);
  const ends = [
    observeCertificate("service", () => own.certificate.current.certificatePem),
    observeCertificate("authority", () => own.keys.bundle[0]),
    observe("parley.quota.used", (set) => {
      for (const { id: agreement, used } of lent()) set(used, { agreement });
    }),
    observe("parley.quota.limit", (set) => {
      for (const { id: agreement, records } of lent()) set(records, { agreement });
    }),
  ];
  return () => ends.forEach((end) => end());
}
