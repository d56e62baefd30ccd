import { identity, type ServiceClient } from "@parley/proto";
import type { JSONWebKeySet } from "jose";
import { connect } from "../rpc/connect.js";
import { observeCertificate } from "../telemetry/certificates.js";
import type { Logger } from "../telemetry/logger.js";
import { certificateFromFiles, type CertificateHolder } from "../tls/certificate-holder.js";
import type { ExpectedServer } from "../tls/credentials.js";
import { followBundle } from "../tls/bundle-file.js";
import { TrustStore } from "../tls/trust-store.js";
import { OrganisationDirectory } from "./directory.js";
import { TokenVerifier } from "./token.js";

type IdentityClient = ServiceClient<typeof identity.IdentityServiceService>;

export interface RouterMemberConfig {
  readonly PARLEY_TLS_CERT: string;
  readonly PARLEY_TLS_KEY: string;
  readonly PARLEY_TLS_CA: string;
  readonly PARLEY_TRUST_DOMAIN: string;
  readonly PARLEY_IDENTITY_ADDRESS: string;
}

/** What every router service but identity has: its certificate, the organisations as identity tells them, and verification of tokens. */
export class RouterMember {
  private constructor(
    readonly certificate: CertificateHolder,
    readonly trust: TrustStore,
    readonly tokens: TokenVerifier,
    readonly directory: OrganisationDirectory,
    readonly identity: IdentityClient,
    /** Another service of the same router, for `connect`. */
    readonly sibling: (role: string) => ExpectedServer,
    private readonly stopWatching: () => void,
  ) {}

  static join(config: RouterMemberConfig, logger: Logger): RouterMember {
    const files = {
      certificate: config.PARLEY_TLS_CERT,
      privateKey: config.PARLEY_TLS_KEY,
      authorities: config.PARLEY_TLS_CA,
    };
    const { holder, close } = certificateFromFiles(files);
    const org = config.PARLEY_TRUST_DOMAIN;
    const bundle = followBundle(config.PARLEY_TLS_CA, (next) => trust.setBundle(org, next));
    const trust = new TrustStore({ [org]: bundle.current });
    const sibling = (role: string) => ({ org, role, bundle: () => bundle.current, trust });
    const settings = { address: config.PARLEY_IDENTITY_ADDRESS, own: holder, server: sibling("identity") };
    const client = connect(identity.IdentityServiceService, settings);
    const tokens = new TokenVerifier(async () => JSON.parse((await client.getKeys({})).jwks) as JSONWebKeySet);
    const directory = new OrganisationDirectory(client, trust, logger).start();
    const ends = [
      close,
      bundle.close,
      observeCertificate("service", () => holder.current.certificatePem),
      observeCertificate("authority", () => bundle.current[0]),
    ];
    return new RouterMember(holder, trust, tokens, directory, client, sibling, () => ends.forEach((end) => end()));
  }

  close(): void {
    this.directory.close();
    this.stopWatching();
    this.identity.close();
  }
}
