import {
  RpcServer,
  enrolmentBinding,
  mutualServerCredentials,
  serverCredentials,
  startService,
  type Logger,
  type RunningService,
} from "@parley/service-kit";
import { AppModule, DealerContext } from "./app.module.js";
import type { Config } from "./config.js";
import { dealerBinding } from "./rpc/dealer.rpc.js";

/** Starts the dealer: mutual TLS for organisations enrolled here, server-side TLS for first contact. */
export function startDealer(config: Config, logger: Logger): Promise<RunningService> {
  let enrolAddress = "";
  let ownAddress = "";
  return startService({
    name: "dealer",
    module: AppModule.with(config, logger),
    logger,
    healthAddress: config.PARLEY_HEALTH_LISTEN,
    advertise: config.PARLEY_ADVERTISE,
    listeners: (app) => {
      const context = app.get(DealerContext);
      const { trust, certificate, audit, issuer, organisations } = context;
      const { masks, ledger, opening, dealings, periods, sealing } = context;
      const main = dealerBinding({
        organisations,
        masks,
        ledger,
        opening,
        dealings,
        periods,
        sealing,
        audit,
        domain: issuer.id,
        selfTest: config.PARLEY_ALLOW_SELF_TEST,
        authorityDer: issuer.bundle[0],
        enrolAddress: () => enrolAddress,
      });
      const enrolment = enrolmentBinding({
        enrol: (secretHash, organisation) => organisations.enrol(secretHash, organisation),
        audit,
        trust,
        issuer,
        services: () => ({ dealer: ownAddress, ...config.PARLEY_SERVICE_ADDRESSES }),
        reserved: ["router", "dealer", issuer.id],
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
      logger.info({ fingerprint: app.get(DealerContext).issuer.fingerprint }, "fingerprint");
    },
  });
}
