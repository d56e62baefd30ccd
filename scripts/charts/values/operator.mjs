// Values of the two operators' charts, router and dealer.
import { boolean, choice, group, optionalInteger, string, strings } from "./leaf.mjs";
import { resources } from "./workload.mjs";

export const identityOf = (domain) => ({
  trustDomain: string(
    "The operator's name in certificates. It cannot change once organisations have enrolled.",
    domain,
    { pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" },
  ),
});

export const certificates = {
  setup: group("`parley setup`: makes certificates and keys where they are absent, and renews certificates.", {
    enabled: boolean("Off: you bring the Secrets that the README names.", true),
    renewalSchedule: string("When certificates are looked after, as a cron schedule.", "17 3 * * *", { minLength: 9 }),
  }),
  tls: group("Certificates of the servers.", {
    extraDnsNames: strings("More host names in every certificate. Those of ingress and gateway are in it anyway."),
    certManager: group("Certificates from cert-manager instead of `parley setup`, which then makes keys only.", {
      enabled: boolean("Creates Certificates; cert-manager must be installed.", false),
      issuerRef: group("Issuer; without a name the release gets an authority of its own.", {
        name: string("Name of the issuer. It must sign names of the form spiffe://TRUSTDOMAIN/ROLE."),
        kind: choice("Kind of the issuer.", "Issuer", ["Issuer", "ClusterIssuer"]),
        group: string("API group of the issuer.", "cert-manager.io", { minLength: 1 }),
      }),
      duration: string("How long a certificate is valid.", "720h", { pattern: "^[0-9]+h$" }),
      renewBefore: string("How long before its end it is renewed.", "360h", { pattern: "^[0-9]+h$" }),
    }),
  }),
};

const secretName = { pattern: "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$" };

export const database = {
  database: group("PostgreSQL 14 or newer.", {
    existingSecret: string(
      "Secret whose key DATABASE_URL holds its address, postgresql://user:password@host/database.",
      "",
      secretName,
    ),
  }),
  migrations: group("Tables are brought up to date before an install or upgrade, by a Job.", {
    enabled: boolean("Off: each pod does it when it starts.", true),
  }),
};

export const redis = {
  redis: group("Redis 7 or Valkey 8, for the scheduler's queue. It needs no persistence.", {
    existingSecret: string("Secret whose key REDIS_URL holds its address, redis:// or rediss://.", "", secretName),
  }),
};

/** For trials only. @param valkey whether the chart needs a queue */
export const embedded = (valkey) => ({
  embedded: group("For trials only: brings what would otherwise be outside, one replica, without backup.", {
    enabled: boolean("Brings it.", false),
    postgresql: group("PostgreSQL with the entry point of the official image.", {
      image: string("Image.", "docker.io/library/postgres:17", { minLength: 1 }),
      ...user(999),
      size: string("Size of its volume.", "2Gi", { minLength: 2 }),
      storageClass: string("Class of its volume."),
      resources: resources("What it asks for and may use at most.", "50m", "128Mi", "1", "512Mi"),
    }),
    ...(valkey && {
      valkey: group("Valkey or Redis.", {
        image: string("Image.", "docker.io/valkey/valkey:8", { minLength: 1 }),
        command: choice("Its server.", "valkey-server", ["valkey-server", "redis-server"]),
        ...user(999),
        resources: resources("What it asks for and may use at most.", "20m", "32Mi", "500m", "256Mi"),
      }),
    }),
  }),
});

const user = (id) => ({
  runAsUser: optionalInteger("User id; null where the platform gives one.", id),
  runAsGroup: optionalInteger("Group id; null where the platform gives one.", id),
  fsGroup: optionalInteger("Group of volumes; null where the platform gives one.", id),
});
