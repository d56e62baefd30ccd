export {
  addressVariable,
  addressesVariable,
  certificateVariables,
  commonVariables,
  databaseVariables,
  readEnvironment,
} from "./config/environment.js";
export { createLogger, type Logger } from "./telemetry/logger.js";
export {
  continueTrace,
  currentTrace,
  foreignTrace,
  newTrace,
  traceparentOf,
  withTrace,
  withoutTrace,
  type TraceContext,
} from "./telemetry/trace.js";
export {
  isTracing,
  knownReason,
  reasonOf,
  recordSpan,
  startSpan,
  timeNow,
  timeOf,
  withSpan,
  type Span,
  type SpanOptions,
} from "./telemetry/span.js";
export { count, isMetering, measure, observe } from "./telemetry/metrics.js";
export { observeCertificate } from "./telemetry/certificates.js";
export {
  ATTRIBUTES,
  METRICS,
  SPANS,
  prometheusLabel,
  prometheusName,
  shortModel,
  type MetricAttributes,
  type MetricName,
  type SpanAttributes,
  type SpanName,
} from "./telemetry/names.js";
export { CertificateHolder, certificateFromFiles, type Certificate } from "./tls/certificate-holder.js";
export { TrustStore } from "./tls/trust-store.js";
export { authenticatePeer, type Peer } from "./tls/peer.js";
export { thumbprint as thumbprintOf } from "@parley/agreement";
export {
  mutualChannelCredentials,
  mutualServerCredentials,
  pinnedChannelCredentials,
  serverCredentials,
  type ExpectedServer,
} from "./tls/credentials.js";
export { implement, type Binding } from "./rpc/implement.js";
export type {
  Access,
  AccessRules,
  CallContext,
  ClientStream,
  Duplex,
  Handlers,
  ServerStream,
  Unary,
} from "./rpc/handlers.js";
export { MAX_MESSAGE_BYTES, RpcServer, type ServerSettings } from "./rpc/server.js";
export { VERSION, answerEcho, probeBinding } from "./rpc/probe-binding.js";
export { probeServer, type ServerPlace } from "./rpc/probe-server.js";
export { RENEW_MS, connect, type ConnectSettings } from "./rpc/connect.js";
export { TOKEN_AUDIENCE, TOKEN_ISSUER, TokenVerifier, type RouterToken } from "./router/token.js";
export { OrganisationDirectory } from "./router/directory.js";
export {
  changedRows,
  databaseErrorCode,
  openDatabase,
  ping,
  rowsOf,
  type Database,
  type DatabaseSettings,
} from "./database/database.js";
export { AuditLog, type AuditEvent } from "./database/audit-log.js";
export { lockFolder } from "./database/folder-lock.js";
export {
  drainMs,
  runService,
  startService,
  type Listener,
  type RunningService,
  type ServiceSettings,
} from "./service/start-service.js";
export { enrolmentBinding, type EnrolmentDependencies } from "./enrolment/enrolment-binding.js";
export { inviterOf, selfTestOf } from "./enrolment/inviter.js";
export { followBundle, type BundleFile } from "./tls/bundle-file.js";
export { readBundle, readKek, readSigningKey } from "./tls/files.js";
export {
  readSealingKeys,
  sealingKey,
  type SealingKey,
  type SealingKeyFiles,
  type SealingKeys,
} from "./tls/sealing-keys.js";
export { RouterMember, type RouterMemberConfig } from "./router/member.js";
export { Batches } from "./rpc/batches.js";
export { Exchange, answerEach } from "./rpc/exchange.js";
export { MessageQueue } from "./rpc/message-queue.js";
