import { Module, type DynamicModule, type OnApplicationShutdown } from "@nestjs/common";
import { organisationFingerprint } from "@parley/agreement";
import {
  AuditLog,
  CertificateHolder,
  TrustStore,
  certificateFromFiles,
  followBundle,
  observeCertificate,
  openDatabase,
  readBundle,
  readSigningKey,
  type Logger,
} from "@parley/service-kit";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "./config.js";
import { OrganisationFeed } from "./domain/organisation-feed.js";
import { OrganisationFollower } from "./domain/organisation-follower.js";
import { TokenIssuer } from "./domain/token-issuer.js";
import { OrganisationStore, type IdentityDatabase } from "./store/organisation-store.js";
import * as schema from "./store/schema.js";

/** Replicas learn from the database what another one changed. */
const FOLLOW_MS = 500;

const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));

/** Everything that identity's rpcs need. */
export class IdentityContext implements OnApplicationShutdown {
  readonly feed = new OrganisationFeed();
  readonly store: OrganisationStore;
  readonly follower: OrganisationFollower;

  readonly #observed: (() => void)[];

  private constructor(
    readonly config: Config,
    readonly logger: Logger,
    readonly database: IdentityDatabase,
    readonly audit: AuditLog,
    readonly tokens: TokenIssuer,
    readonly certificate: CertificateHolder,
    readonly trust: TrustStore,
    /** The router as its partners see it. */
    readonly issuer: {
      id: string;
      bundle: Buffer[];
      signingKey: Buffer;
      workerEndpoints: string[];
      fingerprint: string;
      revoked: boolean;
    },
  ) {
    this.store = new OrganisationStore(database);
    this.follower = new OrganisationFollower(this.store, trust, this.feed, logger);
    this.#observed = [
      observeCertificate("service", () => certificate.current.certificatePem),
      observeCertificate("authority", () => issuer.bundle[0]),
    ];
  }

  static async open(config: Config, logger: Logger): Promise<IdentityContext> {
    const database = await openDatabase({
      service: "identity",
      schema,
      migrationsFolder: MIGRATIONS,
      url: config.DATABASE_URL,
      dataDir: config.PARLEY_DATA_DIR,
    });
    const audit = await AuditLog.open(database, "identity");
    const keyFile = config.PARLEY_SIGNING_KEY_FILE ?? join(config.PARLEY_DATA_DIR, "signing-key.pem");
    const key = readSigningKey(keyFile, config.PARLEY_ENV === "production");
    const { holder } = certificateFromFiles({
      certificate: config.PARLEY_TLS_CERT,
      privateKey: config.PARLEY_TLS_KEY,
      authorities: config.PARLEY_TLS_CA,
    });
    const id = config.PARLEY_TRUST_DOMAIN;
    const bundle = readBundle(config.PARLEY_TLS_CA);
    const fingerprint = organisationFingerprint({ id, bundle, signingKey: key.publicKey });
    const issuer = { id, bundle, signingKey: key.publicKey, workerEndpoints: [], fingerprint, revoked: false };
    const trust = new TrustStore({ [id]: bundle });
    const context = new IdentityContext(
      config,
      logger,
      database,
      audit,
      await TokenIssuer.create(key.privateKeyPem),
      holder,
      trust,
      issuer,
    );
    // What organisations are told at enrolment stays what this process began with.
    context.#observed.push(
      followBundle(config.PARLEY_TLS_CA, (next: readonly Buffer[]) => trust.setBundle(id, next)).close,
    );
    await context.follower.start(database.kind === "postgresql" ? FOLLOW_MS : 0);
    return context;
  }

  async onApplicationShutdown() {
    this.#observed.forEach((end) => end());
    await this.follower.close();
    await this.database.close();
  }
}

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    const provider = { provide: IdentityContext, useFactory: () => IdentityContext.open(config, logger) };
    return { module: AppModule, providers: [provider], exports: [IdentityContext] };
  }
}
