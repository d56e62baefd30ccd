/**
 * What every job asks of this service, for many jobs at once: each is one statement, so one round trip and one commit.
 * The first parameter is a JSON array. A row of a reservation is locked before its agreement's, save that a new
 * reservation locks the agreement first: nobody else can hold a row that does not exist yet.
 */

/** Takes records from quotas, as long as they fit in the order of `n`. Not made and not known: it did not fit, or the agreement does not allow it now. */
export const RESERVE = `
WITH wish AS (
  SELECT * FROM jsonb_to_recordset($1::text::jsonb)
    AS w(n int, job text, agreement text, records bigint, actor text, trace text, details text, organisations text)
), held AS (
  SELECT id, quota - used - reserved AS free FROM agreements.agreement
  WHERE id IN (SELECT agreement FROM wish) AND state = 'active' AND not_before <= $2 AND expires > $2
  ORDER BY id FOR UPDATE
), fitting AS (
  SELECT w.* FROM (
    SELECT *, sum(records) OVER (PARTITION BY agreement ORDER BY n) AS upto FROM wish
    WHERE NOT EXISTS (SELECT FROM agreements.reservation r WHERE r.job_id = wish.job)
  ) w JOIN held h ON h.id = w.agreement WHERE w.upto <= h.free
), made AS (
  INSERT INTO agreements.reservation (job_id, agreement_id, records, remaining)
  SELECT job, agreement, records, records FROM fitting ORDER BY job ON CONFLICT DO NOTHING
  RETURNING job_id, agreement_id, records
), taken AS (
  UPDATE agreements.agreement a SET reserved = a.reserved + s.records
  FROM (SELECT agreement_id, sum(records)::bigint AS records FROM made GROUP BY agreement_id) s WHERE a.id = s.agreement_id
), told AS (
  INSERT INTO agreements.audit_log (action, actor, subject, trace_id, details, organisations)
  SELECT 'quota.reserved', f.actor, m.job_id, f.trace, f.details, f.organisations
  FROM made m JOIN (SELECT DISTINCT ON (job) * FROM fitting ORDER BY job, n) f ON f.job = m.job_id
)
SELECT w.n, coalesce(m.agreement_id, r.agreement_id) AS agreement, coalesce(m.records, r.records)::float8 AS records, r.tickets
FROM wish w LEFT JOIN made m ON m.job_id = w.job LEFT JOIN agreements.reservation r ON r.job_id = w.job
ORDER BY w.n`;

/** Marks jobs as ended; free at once is what their tickets cannot have bound. A second call changes nothing. */
export const END = `
WITH said AS (
  SELECT * FROM jsonb_to_recordset($1::text::jsonb)
    AS s(job text, agreement text, tickets int, settle timestamptz, actor text, trace text, details text)
), held AS (
  SELECT job_id, agreement_id, records, remaining, reported FROM agreements.reservation
  WHERE job_id IN (SELECT job FROM said) AND tickets IS NULL
  ORDER BY job_id FOR UPDATE
), next AS (
  SELECT h.job_id, h.agreement_id, h.remaining, s.*,
    least(h.remaining, greatest(0, s.tickets * h.records - h.reported)) AS held
  FROM held h JOIN said s ON s.job = h.job_id AND s.agreement = h.agreement_id
), shrunk AS (
  UPDATE agreements.reservation r SET tickets = n.tickets, settle_at = n.settle, remaining = n.held
  FROM next n WHERE r.job_id = n.job_id
), freed AS (
  UPDATE agreements.agreement a SET reserved = a.reserved - s.freed
  FROM (SELECT agreement_id, sum(remaining - held)::bigint AS freed FROM next GROUP BY agreement_id) s
  WHERE a.id = s.agreement_id AND s.freed > 0
)
INSERT INTO agreements.audit_log (action, actor, subject, trace_id, details, organisations)
SELECT 'quota.job-ended', n.actor, n.job_id, n.trace, n.details, ',' || a.model_owner || ',' || a.data_owner || ','
FROM next n JOIN agreements.agreement a ON a.id = n.agreement_id`;

/** Takes model owners' reports, each once per attempt and run. */
export const REPORT = `
WITH said AS (
  SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS s(n int, agreement text, job text, attempt text, run int, records bigint,
    revealed boolean, statement text, action text, actor text, trace text, details text, organisations text)
), held AS (
  SELECT job_id, agreement_id, records, remaining, reported, tickets FROM agreements.reservation
  WHERE job_id IN (SELECT job FROM said)
  ORDER BY job_id FOR UPDATE
), fitting AS (
  SELECT DISTINCT ON (s.attempt, s.run) s.*
  FROM said s JOIN held h ON h.job_id = s.job AND h.agreement_id = s.agreement AND s.records <= h.records
  ORDER BY s.attempt, s.run, s.n
), taken AS (
  INSERT INTO agreements.run_report (attempt, run, job_id, records, revealed, statement)
  SELECT attempt, run, job, records, revealed, statement FROM fitting ON CONFLICT DO NOTHING
  RETURNING attempt, run, job_id, records, revealed
), reported AS (
  SELECT job_id, sum(records)::bigint AS records, coalesce(sum(records) FILTER (WHERE revealed), 0)::bigint AS revealed
  FROM taken GROUP BY job_id
), next AS (
  SELECT h.job_id, h.agreement_id, h.remaining, h.reported + p.records AS reported, p.revealed,
    least(
      greatest(0, h.remaining - p.revealed),
      CASE WHEN h.tickets IS NULL THEN h.remaining ELSE greatest(0, h.tickets * h.records - h.reported - p.records) END
    ) AS held
  FROM held h JOIN reported p USING (job_id)
), shrunk AS (
  UPDATE agreements.reservation r SET reported = n.reported, remaining = n.held FROM next n WHERE r.job_id = n.job_id
), counted AS (
  UPDATE agreements.agreement a SET used = a.used + s.revealed, reserved = a.reserved - s.freed
  FROM (
    SELECT agreement_id, sum(revealed)::bigint AS revealed, sum(remaining - held)::bigint AS freed FROM next GROUP BY agreement_id
  ) s WHERE a.id = s.agreement_id
), told AS (
  INSERT INTO agreements.audit_log (action, actor, subject, trace_id, details, organisations)
  SELECT f.action, f.actor, f.job, f.trace, f.details, f.organisations FROM fitting f JOIN taken t USING (attempt, run)
)
SELECT s.n, t.attempt IS NOT NULL AS taken,
  h.agreement_id IS NOT DISTINCT FROM s.agreement AND s.records <= h.records AS fits
FROM said s LEFT JOIN taken t ON t.attempt = s.attempt AND t.run = s.run AND t.job_id = s.job AND t.records = s.records AND t.revealed = s.revealed
LEFT JOIN held h ON h.job_id = s.job
ORDER BY s.n`;
