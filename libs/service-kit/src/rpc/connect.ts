import { createClient, type ServiceClient } from "@parley/proto";
import type { ChannelCredentials } from "@grpc/grpc-js";
import { currentTrace, traceparentOf } from "../telemetry/trace.js";
import type { CertificateHolder } from "../tls/certificate-holder.js";
import { mutualChannelCredentials, type ExpectedServer } from "../tls/credentials.js";
import { observeClientCall } from "./observed-calls.js";
import { FLOW_CONTROL_BYTES, KEEPALIVE, MAX_MESSAGE_BYTES } from "./server.js";

/**
 * After how long a connection to a service with replicas is exchanged, milliseconds: a Service spreads connections, not calls, so a
 * replica that was added would get nothing from those that are connected already.
 */
export const RENEW_MS = 300_000;

type Definition = Parameters<typeof createClient>[0];

export interface ConnectSettings {
  readonly address: string;
  /** Mutual TLS: own certificate and whom to expect. */
  readonly own?: CertificateHolder;
  readonly server?: ExpectedServer;
  /** Instead: credentials of the caller's choice. */
  readonly credentials?: ChannelCredentials;
  /** Router token, asked before each call. */
  readonly token?: () => Promise<string>;
  readonly options?: Readonly<Record<string, string | number>>;
  /** See RENEW_MS; without it the connection stays. */
  readonly renewMs?: number;
}

/** A typed client that continues the trace under way and never retries by itself. */
export function connect<D extends Definition>(definition: D, settings: ConnectSettings): ServiceClient<D> {
  const credentials =
    settings.credentials ??
    (settings.own && settings.server ? mutualChannelCredentials(settings.own, settings.server) : undefined);
  if (!credentials) throw new Error("connect() needs credentials, or own certificate and expected server");
  return createClient(definition, {
    address: settings.address,
    credentials,
    renewMs: settings.renewMs,
    options: {
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
      "grpc-node.flow_control_window": FLOW_CONTROL_BYTES,
      "grpc.keepalive_time_ms": KEEPALIVE.timeMs,
      "grpc.keepalive_timeout_ms": KEEPALIVE.timeoutMs,
      // Between calls as well: the next call must not be the one that finds the other end gone.
      "grpc.keepalive_permit_without_calls": 1,
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 2_000,
      // Where a name stands for several instances, one that has gone is not asked for again for half a minute.
      "grpc.dns_min_time_between_resolutions_ms": 1_000,
      "grpc.use_local_subchannel_pool": 1,
      ...settings.options,
    },
    observe: observeClientCall,
    metadata: async () => {
      const trace = currentTrace();
      const token = await settings.token?.();
      return {
        ...(trace && { traceparent: traceparentOf(trace) }),
        ...(token && { authorization: `Bearer ${token}` }),
      };
    },
  });
}
