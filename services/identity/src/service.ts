import {
  RpcServer,
  enrolmentBinding,
  mutualServerCredentials,
  serverCredentials,
  startService,
  type Logger,
  type RunningService,
} from "@parley/service-kit";
import { AppModule, IdentityContext } from "./app.module.js";
import type { Config } from "./config.js";
import { identityBinding } from "./rpc/identity.rpc.js";

/** Trust domains of operators: no organisation may enrol under them. */
const RESERVED = ["router", "dealer"];

/** Starts identity: mutual TLS for everybody enrolled, server-side TLS for first contact. */
export function startIdentity(config: Config, logger: Logger): Promise<RunningService> {
  let enrolAddress = "";
  let ownAddress = "";
  return startService({
    name: "identity",
    module: AppModule.with(config, logger),
    logger,
    healthAddress: config.PARLEY_HEALTH_LISTEN,
    advertise: config.PARLEY_ADVERTISE,
    listeners: (app) => {
      const context = app.get(IdentityContext);
      const { trust, certificate, audit, feed, store, issuer } = context;
      const main = identityBinding({
        store,
        feed,
        audit,
        trust,
        tokens: context.tokens,
        domain: issuer.id,
        selfTest: config.PARLEY_ALLOW_SELF_TEST,
        authorityDer: issuer.bundle[0],
        enrolAddress: () => enrolAddress,
      });
      const enrolment = enrolmentBinding({
        enrol: async (secretHash, organisation) =>
          (await store.enrol(secretHash, organisation)) ? store.get(organisation.id) : undefined,
        enrolled: (organisation) => feed.publish(organisation),
        audit,
        trust,
        issuer,
        services: () => ({ identity: ownAddress, ...config.PARLEY_SERVICE_ADDRESSES }),
        reserved: [...RESERVED, issuer.id],
      });
      return {
        mtls: {
          server: new RpcServer({
            credentials: mutualServerCredentials(certificate, trust),
            trust,
            logger,
            bindings: [main],
          }),
          address: config.PARLEY_LISTEN,
        },
        enrol: {
          server: new RpcServer({ credentials: serverCredentials(certificate), logger, bindings: [enrolment] }),
          address: config.PARLEY_ENROL_LISTEN,
        },
      };
    },
    onListening: (app, addresses) => {
      enrolAddress = config.PARLEY_ENROL_ADDRESS ?? addresses.enrol;
      ownAddress = addresses.mtls;
      // What its people read out to organisations that compare it.
      logger.info({ fingerprint: app.get(IdentityContext).issuer.fingerprint }, "fingerprint");
    },
  });
}
