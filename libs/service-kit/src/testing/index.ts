export {
  DATABASE_KINDS,
  freshFolder,
  hasPostgres,
  createDatabase,
  startTestPostgres,
  testDatabase,
  type TestDatabase,
  type TestPostgres,
} from "./databases.js";
export { testOrganisation, type TestOrganisation } from "./certificates.js";
export { copyEmptyDatabase } from "./database-template.js";
export { recordTelemetry } from "./telemetry.js";
export { startOtlpCollector, type OtlpCollector } from "./otlp-collector.js";
export type { ReceivedLog, ReceivedPoint, ReceivedSpan } from "./otlp-messages.js";
export { postgresPrograms, startPostgresWithTools, type PostgresWithTools } from "./postgres-tools.js";
