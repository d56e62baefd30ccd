/** Statements that bring an empty vault to the current layout, one entry per version; an entry is never changed once released. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE api_keys (hash TEXT PRIMARY KEY, user TEXT NOT NULL UNIQUE, roles TEXT NOT NULL, created_at REAL NOT NULL) STRICT;
  CREATE TABLE worker_tokens (hash TEXT PRIMARY KEY, expires_at REAL NOT NULL, used_at REAL) STRICT;
  CREATE TABLE issuers (
    operator TEXT PRIMARY KEY CHECK (operator IN ('router', 'dealer')),
    id TEXT NOT NULL, signing_key TEXT NOT NULL, bundle TEXT NOT NULL, services TEXT NOT NULL, enrolled_at REAL NOT NULL
  ) STRICT;
  CREATE TABLE partners (
    org TEXT PRIMARY KEY, signing_key TEXT NOT NULL, bundle TEXT NOT NULL, fingerprint TEXT NOT NULL,
    trusted_by TEXT NOT NULL, trusted_at REAL NOT NULL
  ) STRICT;
  CREATE TABLE assets (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, description TEXT NOT NULL, visibility INTEGER NOT NULL,
    content TEXT NOT NULL, plan BLOB NOT NULL, plan_digest TEXT NOT NULL, commitment TEXT NOT NULL, commitment_key BLOB NOT NULL,
    published INTEGER NOT NULL, created_at REAL NOT NULL, UNIQUE (name, version), UNIQUE (name, content)
  ) STRICT;
  CREATE TABLE agreements (
    digest TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, jws TEXT NOT NULL, party INTEGER NOT NULL CHECK (party IN (0, 1)),
    partner TEXT NOT NULL, asset_id TEXT NOT NULL, plan BLOB NOT NULL, plan_digest TEXT NOT NULL,
    records INTEGER NOT NULL CHECK (records > 0), used INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0 AND used <= records),
    max_prepared INTEGER NOT NULL, not_before REAL NOT NULL, expires_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
    mask_id TEXT, mask_nonce TEXT, masked_digest TEXT, mask_ended INTEGER NOT NULL DEFAULT 0, activated_at REAL NOT NULL
  ) STRICT;
  CREATE INDEX agreements_by_asset ON agreements (asset_id, party);
  CREATE TABLE ended_agreements (id TEXT PRIMARY KEY, statement TEXT, reason TEXT NOT NULL, sent INTEGER NOT NULL, ended_at REAL NOT NULL) STRICT;
  CREATE TABLE pinned_masks (
    mask_id TEXT PRIMARY KEY, agreement TEXT NOT NULL, nonce TEXT NOT NULL, digest TEXT NOT NULL, pinned_at REAL NOT NULL
  ) STRICT;
  CREATE TABLE batches (
    id TEXT PRIMARY KEY, agreement TEXT NOT NULL, records INTEGER NOT NULL, party INTEGER NOT NULL, recorded_at REAL NOT NULL
  ) STRICT;
  CREATE TRIGGER batches_keep BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'batches are never forgotten'); END;
  CREATE TRIGGER batches_fixed BEFORE UPDATE ON batches BEGIN SELECT RAISE(ABORT, 'batches never change'); END;
  CREATE TABLE bound_runs (
    attempt TEXT NOT NULL, run INTEGER NOT NULL, job TEXT NOT NULL, agreement TEXT NOT NULL REFERENCES agreements (digest),
    batch TEXT NOT NULL UNIQUE REFERENCES batches (id), records INTEGER NOT NULL, worker TEXT NOT NULL,
    peer_certificate TEXT NOT NULL, trace_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('bound', 'revealed', 'released')), reported INTEGER NOT NULL DEFAULT 0,
    bound_at REAL NOT NULL, ended_at REAL, PRIMARY KEY (attempt, run)
  ) STRICT;
  CREATE TRIGGER bound_runs_keep BEFORE DELETE ON bound_runs BEGIN SELECT RAISE(ABORT, 'bound runs are never forgotten'); END;
  CREATE TRIGGER bound_runs_end_once BEFORE UPDATE OF state ON bound_runs WHEN OLD.state <> 'bound'
    BEGIN SELECT RAISE(ABORT, 'a run ends once'); END;
  CREATE TABLE jobs (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, name TEXT NOT NULL, operation TEXT NOT NULL, asset_id TEXT NOT NULL,
    agreement TEXT NOT NULL, agreement_id TEXT NOT NULL, records INTEGER NOT NULL, content TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('submitting', 'queued', 'running', 'succeeded', 'failed', 'cancelled')),
    traceparent TEXT NOT NULL, received_at REAL NOT NULL, ended_at REAL, error TEXT, timings TEXT
  ) STRICT;
  CREATE INDEX jobs_by_state ON jobs (state);
  CREATE TRIGGER jobs_end_once BEFORE UPDATE OF state ON jobs WHEN OLD.state IN ('succeeded', 'failed', 'cancelled')
    BEGIN SELECT RAISE(ABORT, 'a job ends once'); END;
  CREATE TABLE attempts (
    id TEXT PRIMARY KEY, job TEXT NOT NULL REFERENCES jobs (id), ticket TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'failed')),
    revealed INTEGER NOT NULL DEFAULT 0, retryable INTEGER NOT NULL DEFAULT 0, error TEXT, online_micros INTEGER NOT NULL DEFAULT 0,
    recorded INTEGER NOT NULL DEFAULT 0, started_at REAL NOT NULL, ended_at REAL
  ) STRICT;
  CREATE INDEX attempts_by_job ON attempts (job);
  CREATE TABLE attempt_runs (
    attempt TEXT NOT NULL REFERENCES attempts (id), run INTEGER NOT NULL, records INTEGER NOT NULL,
    output BLOB, timings TEXT, revealed INTEGER NOT NULL, ended_at REAL NOT NULL, PRIMARY KEY (attempt, run)
  ) STRICT;
  CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, action TEXT NOT NULL, actor TEXT NOT NULL,
    subject TEXT NOT NULL, trace_id TEXT NOT NULL, details TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_by_subject ON audit (subject, sequence);
  CREATE TRIGGER audit_keep BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
  CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
  `,
  `
  CREATE TABLE job_content (
    area TEXT NOT NULL CHECK (area IN ('inputs', 'results')), job TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (area, job)
  ) STRICT;
  `,
  `ALTER TABLE worker_tokens ADD COLUMN reusable INTEGER NOT NULL DEFAULT 0;`,
  `
  CREATE TABLE job_steps (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, steps TEXT NOT NULL, dropped INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX job_steps_by_job ON job_steps (job);
  CREATE TRIGGER job_steps_go_with_jobs AFTER DELETE ON jobs BEGIN DELETE FROM job_steps WHERE job = OLD.id; END;
  `,
  `
  CREATE TABLE worker_enrolments (
    id TEXT PRIMARY KEY, enrolled_at REAL NOT NULL, good_until REAL NOT NULL, revoked_at REAL
  ) STRICT;
  CREATE TABLE worker_certificates (thumbprint TEXT PRIMARY KEY, enrolment TEXT NOT NULL, expires_at REAL NOT NULL) STRICT;
  CREATE TABLE worker_names (name TEXT NOT NULL, enrolment TEXT NOT NULL, PRIMARY KEY (name, enrolment)) STRICT;
  `,
];
