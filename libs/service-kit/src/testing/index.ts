export { DATABASE_KINDS, freshFolder, hasPostgres, testDatabase, type TestDatabase } from "./databases.js";
export { testOrganisation, type TestOrganisation } from "./certificates.js";
export { copyEmptyDatabase } from "./database-template.js";
