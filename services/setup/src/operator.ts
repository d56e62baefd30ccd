import { generateSigningKey } from "@parley/agreement";
import { randomBytes } from "node:crypto";
import { ensureAuthority, ensureCertificate } from "./certificates.js";
import type { Secrets } from "./kubernetes.js";

const KEK_BYTES = 32;

/** What each operator's installation has. A release's dealer service is the release itself. */
const OPERATORS = {
  router: { services: ["identity", "registry", "agreements", "scheduler"], kek: "ticket.kek" },
  dealer: { services: ["dealer"], kek: "dealer.kek" },
} as const;

export interface OperatorSettings {
  readonly operator: keyof typeof OPERATORS;
  readonly release: string;
  /** Trust domain of the operator's certificates. */
  readonly domain: string;
  /** What follows a Service's name, e.g. `router.svc.cluster.local`. */
  readonly dnsSuffix: string;
  readonly extraDns: readonly string[];
  /** Whether certificates are made here; keys are made in any case. */
  readonly tls: boolean;
}

/** Keys and certificates of the router's or the dealer's installation, each made where it is absent. @returns names of what was made */
export async function setUpOperator(secrets: Secrets, settings: OperatorSettings): Promise<string[]> {
  const { operator, release, domain, tls } = settings;
  const { services, kek } = OPERATORS[operator];
  const made: string[] = [];
  const keys = { "signing.pem": Buffer.from(generateSigningKey().privateKeyPem), [kek]: randomBytes(KEK_BYTES) };
  const held = await secrets.get(`${release}-keys`);
  for (const key of Object.keys(keys))
    if (held && !held.data[key]?.length)
      throw new Error(
        `Secret ${release}-keys lacks ${key}: restore it; a new one would make what it sealed or signed worthless`,
      );
  if (!held && (await secrets.create(`${release}-keys`, { data: keys }))) made.push(`${release}-keys`);
  if (!tls) return made;
  const authority = await ensureAuthority(secrets, `${release}-ca`, domain);
  for (const role of [...services, "operator"]) {
    const name = `${release}-${role}-tls`;
    const dnsNames = namesOf(role, settings);
    if (await ensureCertificate(secrets, authority, { name, role, dnsNames })) made.push(name);
  }
  return made;
}

/** The dealer's only service is named as its release. */
function namesOf(role: string, { operator, release, dnsSuffix, extraDns }: OperatorSettings): string[] {
  if (role === "operator") return ["localhost"];
  const host = operator === "dealer" ? release : `${release}-${role}`;
  const labels = dnsSuffix.split(".");
  const suffixes = labels.slice(0, 2).map((_, i) => labels.slice(0, i + 1).join("."));
  return [
    ...new Set(["localhost", host, ...[...suffixes, dnsSuffix].map((suffix) => `${host}.${suffix}`), ...extraDns]),
  ];
}
