import { Module, type DynamicModule, type OnApplicationShutdown } from "@nestjs/common";
import { organisationFingerprint } from "@parley/agreement";
import type { common } from "@parley/proto";
import {
  AuditLog,
  TrustStore,
  certificateFromFiles,
  followBundle,
  observeCertificate,
  openDatabase,
  readBundle,
  readSealingKeys,
  readSigningKey,
  type CertificateHolder,
  type Logger,
} from "@parley/service-kit";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "./config.js";
import { Dealings } from "./domain/dealings.js";
import { PeriodKeys } from "./domain/keys.js";
import { MaskOpening } from "./domain/open-mask.js";
import { Sealing } from "./domain/sealing.js";
import { Ledger } from "./store/ledger.js";
import { MaskStore } from "./store/mask-store.js";
import { OrganisationStore, type DealerDatabase } from "./store/organisation-store.js";
import { sealingKeyIsKnown, settleSealedKeys } from "./store/sealed-keys.js";
import * as schema from "./store/schema.js";

const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));
const HOUSEKEEPING_MS = 10 * 60_000;
/** Replicas learn from the database whom another one enrolled and which masks it ended. */
const FOLLOW_MS = 5_000;

/** A part counts as given when the ledger is on disk, whatever the database's own setting. */
function durable(address: string): string {
  const url = new URL(address);
  const options = [url.searchParams.get("options"), "-c synchronous_commit=on"].filter(Boolean).join(" ");
  url.searchParams.set("options", options);
  return url.href;
}

/** Everything that the dealer's rpcs need. */
export class DealerContext implements OnApplicationShutdown {
  readonly organisations: OrganisationStore;
  readonly masks: MaskStore;
  readonly ledger: Ledger;
  readonly opening: MaskOpening;
  readonly dealings: Dealings;
  readonly periods: PeriodKeys;
  readonly #timers: NodeJS.Timeout[];
  readonly #observed: (() => void)[];

  private constructor(
    readonly database: DealerDatabase,
    readonly audit: AuditLog,
    readonly sealing: Sealing,
    readonly certificate: CertificateHolder,
    readonly trust: TrustStore,
    /** The dealer as organisations see it. */
    readonly issuer: common.Organisation,
    logger: Logger,
  ) {
    this.organisations = new OrganisationStore(database);
    this.masks = new MaskStore(database);
    this.ledger = new Ledger(database);
    this.dealings = new Dealings(sealing);
    this.periods = new PeriodKeys(this.ledger, sealing);
    this.opening = new MaskOpening(this.organisations, this.masks, sealing, issuer);
    this.#observed = [
      observeCertificate("service", () => certificate.current.certificatePem),
      observeCertificate("authority", () => issuer.bundle[0]),
    ];
    this.#timers = [
      setInterval(() => void this.housekeeping(logger), HOUSEKEEPING_MS).unref(),
      setInterval(() => void this.follow(logger), FOLLOW_MS).unref(),
    ];
  }

  static async open(config: Config, logger: Logger): Promise<DealerContext> {
    const production = config.PARLEY_ENV === "production";
    mkdirSync(config.PARLEY_DATA_DIR, { recursive: true, mode: 0o700 });
    const inData = (name: string) => join(config.PARLEY_DATA_DIR, name);
    const database = await openDatabase({
      service: "dealer",
      schema,
      migrationsFolder: MIGRATIONS,
      url: config.DATABASE_URL && durable(config.DATABASE_URL),
      dataDir: config.PARLEY_DATA_DIR,
    });
    try {
      const audit = await AuditLog.open(database, "dealer");
      const files = {
        current: config.PARLEY_DEALER_KEK_FILE ?? inData("kek"),
        next: config.PARLEY_DEALER_KEK_NEXT_FILE,
        former: config.PARLEY_DEALER_KEK_FORMER_FILE,
      };
      const sealing = new Sealing(readSealingKeys(files, "PARLEY_DEALER_KEK_FILE", production, logger));
      const { publicKey } = readSigningKey(config.PARLEY_SIGNING_KEY_FILE ?? inData("signing-key.pem"), production);
      const { holder } = certificateFromFiles({
        certificate: config.PARLEY_TLS_CERT,
        privateKey: config.PARLEY_TLS_KEY,
        authorities: config.PARLEY_TLS_CA,
      });
      const id = config.PARLEY_TRUST_DOMAIN;
      const bundle = readBundle(config.PARLEY_TLS_CA);
      const fingerprint = organisationFingerprint({ id, bundle, signingKey: publicKey });
      const issuer = { id, bundle, signingKey: publicKey, workerEndpoints: [], fingerprint, revoked: false };
      const trust = new TrustStore({ [id]: bundle });
      const context = new DealerContext(database, audit, sealing, holder, trust, issuer, logger);
      context.#observed.push(
        followBundle(config.PARLEY_TLS_CA, (next: readonly Buffer[]) => trust.setBundle(id, next)).close,
      );
      await context.takeBundles();
      // The embedded database does not survive a power loss: what it says was not given may have been.
      if (database.kind === "pglite" || config.PARLEY_DEALER_VOID_AT_START)
        logger.info({ batches: await context.ledger.voidEverything() }, "unspent batches of before are void");
      await context.settleHome(logger);
      // A wrong key-encryption key stops the start, before parts are given that cannot be dealt.
      const renewed = await settleSealedKeys(database, sealing);
      if (renewed !== undefined) logger.info({ renewed }, "sealed keys are under the present key-encryption key");
      await context.housekeeping(logger);
      return context;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** Takes what other replicas wrote: bundles of organisations, ends of masks. */
  async follow(logger: Logger) {
    try {
      await this.settleHome(logger);
      await this.takeBundles();
      if (!(await sealingKeyIsKnown(this.database, this.sealing)))
        logger.error("the key-encryption key was replaced by one that is not known here: start again with the new one");
      for (const id of await this.masks.over(this.dealings.maskIds)) this.dealings.forget(id);
    } catch (error) {
      logger.warn({ err: error }, "cannot follow the database, trying again");
    }
  }

  /** A failover under running replicas: one voids, all of them draw from new keys. */
  private async settleHome(logger: Logger) {
    const voided = await this.ledger.settleHome();
    if (voided === undefined) return;
    this.periods.forget();
    logger.warn({ batches: voided }, "the ledger was restored or moved: unspent batches of before are void");
  }

  private async takeBundles() {
    for (const { id, bundle } of await this.organisations.all()) {
      const known = this.trust.bundleOf(id);
      if (known?.length === bundle.length && known.every((der, index) => der.equals(bundle[index]))) continue;
      this.trust.setBundle(id, bundle);
    }
  }

  /** Erases keys whose time is over. */
  private async housekeeping(logger: Logger) {
    try {
      await this.ledger.erasePeriods();
      await this.masks.eraseExpired();
      await this.ledger.forgetOld();
    } catch (error) {
      logger.warn({ err: error }, "housekeeping failed, trying again later");
    }
  }

  async onApplicationShutdown() {
    this.#timers.forEach(clearInterval);
    this.#observed.forEach((end) => end());
    await this.database.close();
  }
}

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    const provider = { provide: DealerContext, useFactory: () => DealerContext.open(config, logger) };
    return { module: AppModule, providers: [provider], exports: [DealerContext] };
  }
}
