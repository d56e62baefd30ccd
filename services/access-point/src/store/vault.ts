import { AccessKeys } from "./access-keys.js";
import { Agreements } from "./agreements.js";
import { Assets } from "./assets.js";
import { Attempts } from "./attempts.js";
import { AuditLog } from "./audit-log.js";
import { VaultDatabase } from "./database.js";
import { VaultFiles } from "./files.js";
import { GroupCommit } from "./group-commit.js";
import { JobContent } from "./job-content.js";
import { JobSteps } from "./job-steps.js";
import { Jobs } from "./jobs.js";
import { Organisations } from "./organisations.js";
import { RunLedger } from "./run-ledger.js";
import { WorkerEnrolments } from "./worker-enrolments.js";

/** Everything that an access point keeps, in one folder. */
export class Vault {
  readonly database: VaultDatabase;
  readonly files: VaultFiles;
  readonly group: GroupCommit;
  readonly keys: AccessKeys;
  readonly organisations: Organisations;
  readonly assets: Assets;
  readonly agreements: Agreements;
  readonly ledger: RunLedger;
  readonly jobs: Jobs;
  readonly content: JobContent;
  readonly attempts: Attempts;
  readonly steps: JobSteps;
  readonly workers: WorkerEnrolments;
  readonly audit: AuditLog;

  constructor(readonly folder: string) {
    this.database = new VaultDatabase(folder);
    this.files = new VaultFiles(folder);
    this.group = new GroupCommit(this.database);
    this.keys = new AccessKeys(this.database);
    this.organisations = new Organisations(this.database);
    this.assets = new Assets(this.database);
    this.agreements = new Agreements(this.database);
    this.ledger = new RunLedger(this.database);
    this.jobs = new Jobs(this.database);
    this.content = new JobContent(this.database, this.files);
    this.attempts = new Attempts(this.database);
    this.steps = new JobSteps(this.database);
    this.workers = new WorkerEnrolments(this.database);
    this.audit = new AuditLog(this.database);
  }

  close() {
    this.group.settle();
    this.database.close();
  }
}
