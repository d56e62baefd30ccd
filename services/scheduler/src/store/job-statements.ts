/** The steps of every job, for many jobs at once: each is one statement, so one round trip and one commit. The parameter is a JSON array. */

/**
 * Creates jobs; one that brings an attempt is running from the start, as long as its stream is the organisation's live one
 * (the share lock makes a newer stream's claim wait, or shows it). An id that is taken changes nothing.
 */
export const CREATE = `
WITH wish AS (
  SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS w(n int, id text, "organisationId" text, "modelOwner" text, name text,
    operation text, "assetId" text, "agreementId" text, "agreementDigest" text, "planDigest" text, records int, "maxRecords" int,
    traceparent text, "attemptId" text, epoch bigint, "ticketExpires" timestamptz)
), live AS (
  SELECT organisation_id, epoch FROM scheduler.attachment
  WHERE organisation_id IN (SELECT "organisationId" FROM wish WHERE "attemptId" IS NOT NULL)
  ORDER BY organisation_id FOR SHARE
), given AS (
  SELECT DISTINCT ON (w.id) w.*, w."attemptId" IS NOT NULL AND l.epoch IS NOT DISTINCT FROM w.epoch AS starts
  FROM wish w LEFT JOIN live l ON l.organisation_id = w."organisationId" ORDER BY w.id, w.n
), made AS (
  INSERT INTO scheduler.job (id, organisation_id, model_owner, name, operation, asset_id, agreement_id, agreement_digest, plan_digest,
    records, max_records, traceparent, state, attempts, queued_at, last_ticket_expires)
  SELECT id, "organisationId", "modelOwner", name, operation, "assetId", "agreementId", "agreementDigest", "planDigest",
    records, "maxRecords", traceparent, CASE WHEN starts THEN 'running' ELSE 'queued' END, starts::int,
    CASE WHEN starts THEN now() END, CASE WHEN starts THEN "ticketExpires" END
  FROM given ORDER BY id ON CONFLICT DO NOTHING
  RETURNING id, state, created_at
), begun AS (
  INSERT INTO scheduler.attempt (id, job_id, epoch, state)
  SELECT g."attemptId", g.id, g.epoch, 'open' FROM given g JOIN made m USING (id) WHERE g.starts
), told AS (
  INSERT INTO scheduler.audit_outbox (action, actor, subject, trace_id, details, organisations)
  SELECT e.action, e.actor, g.id, split_part(g.traceparent, '-', 2), e.details, ARRAY[g."organisationId", g."modelOwner"]
  FROM given g JOIN made m USING (id) CROSS JOIN LATERAL (VALUES
    (0, 'job.created', g."organisationId", jsonb_build_object('agreement', g."agreementId", 'records', g.records)),
    (1, 'attempt.started', 'router/scheduler', jsonb_build_object('agreement', g."agreementId", 'attempt', g."attemptId", 'number', 1))
  ) AS e(k, action, actor, details)
  WHERE e.k = 0 OR g.starts ORDER BY g.n, e.k
)
SELECT id, state, created_at AS "createdAt" FROM made`;

/** Ends jobs whose only attempt succeeded; what else a report may say is not for this statement, and is not in its answer. */
export const SUCCEED = `
WITH said AS (
  SELECT DISTINCT ON (attempt) * FROM jsonb_to_recordset($1::text::jsonb)
    AS s(n int, org text, job text, attempt text, revealed int, micros bigint) ORDER BY attempt, n
), open AS (
  SELECT s.*, j.traceparent, j.agreement_id, j.model_owner, j.records_revealed AS before
  FROM said s JOIN scheduler.job j ON j.id = s.job AND j.organisation_id = s.org
  JOIN scheduler.attempt t ON t.id = s.attempt AND t.job_id = j.id
  WHERE j.state = 'running' AND j.attempts = 1 AND t.state = 'open' AND NOT t.reported
  ORDER BY j.id FOR UPDATE OF j, t
), ended AS (
  UPDATE scheduler.attempt t SET state = 'succeeded', reported = true, records_revealed = o.revealed, online_micros = o.micros,
    ended_at = now() FROM open o WHERE t.id = o.attempt
), done AS (
  UPDATE scheduler.job j SET state = 'succeeded', ended_at = now(), error = NULL, records_revealed = o.before + o.revealed
  FROM open o WHERE j.id = o.job
), told AS (
  INSERT INTO scheduler.audit_outbox (action, actor, subject, trace_id, details, organisations)
  SELECT e.action, e.actor, o.job, split_part(o.traceparent, '-', 2), e.details, ARRAY[o.org, o.model_owner]
  FROM open o CROSS JOIN LATERAL (VALUES
    (0, 'attempt.succeeded', o.org,
      jsonb_build_object('agreement', o.agreement_id, 'attempt', o.attempt, 'recordsRevealed', o.revealed)),
    (1, 'job.succeeded', 'router/scheduler',
      jsonb_build_object('agreement', o.agreement_id, 'attempts', 1, 'recordsRevealed', o.before + o.revealed))
  ) AS e(k, action, actor, details) ORDER BY o.n, e.k
)
SELECT n FROM open`;

/** Which of the sweeper's tasks have anything to do. */
export const WAITING = `
SELECT
  EXISTS (SELECT FROM scheduler.job WHERE state IN ('queued', 'running') AND queued_at IS NULL) AS unqueued,
  EXISTS (SELECT FROM scheduler.job WHERE state IN ('succeeded', 'failed', 'cancelled') AND NOT released) AS unreleased,
  EXISTS (SELECT FROM scheduler.audit_outbox) AS untold`;

/** Jobs that wait, and seconds that the oldest of them has waited, of every organisation that ever had a stream. */
export const QUEUES = `
SELECT a.organisation_id AS organisation, count(j.id)::int AS jobs,
  coalesce(extract(epoch FROM now() - min(j.created_at)), 0)::float8 AS "oldestSeconds"
FROM scheduler.attachment a LEFT JOIN scheduler.job j ON j.organisation_id = a.organisation_id AND j.state = 'queued'
GROUP BY 1`;

/** Claims audit rows for sending, each for one sender at a time. */
export const CLAIM = `
WITH free AS (
  SELECT id FROM scheduler.audit_outbox WHERE claimed_until IS NULL OR claimed_until < now()
  ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE scheduler.audit_outbox o SET claimed_until = $2 FROM free f WHERE o.id = f.id
  RETURNING o.id::float8 AS id, o.action, o.actor, o.subject, o.trace_id AS "traceId", o.details, o.organisations, o.at
)
SELECT * FROM claimed ORDER BY id`;

export const TOLD = `DELETE FROM scheduler.audit_outbox WHERE id = ANY($1::bigint[])`;

export const UNRELEASED = `
SELECT id, agreement_id AS "agreementId", attempts, last_ticket_expires AS "lastTicketExpires"
FROM scheduler.job WHERE state IN ('succeeded', 'failed', 'cancelled') AND NOT released LIMIT $1`;

export const RELEASED = `UPDATE scheduler.job SET released = true WHERE id = ANY($1::text[])`;
