import { randomBytes } from "node:crypto";
import { dateOf, seconds, type VaultDatabase } from "./database.js";

/** Rows are kept this long after the last certificate of an enrolment has ended. */
const KEPT_SECONDS = 7 * 86_400;

export interface WorkerEnrolment {
  readonly id: string;
  readonly revoked: boolean;
  /** When its last certificate ends. */
  readonly goodUntil: Date;
}

interface Row {
  id: string;
  revoked_at: number | null;
  good_until: number;
}

const present = ({ id, revoked_at, good_until }: Row): WorkerEnrolment => ({
  id,
  revoked: revoked_at !== null,
  goodUntil: dateOf(good_until),
});

/**
 * Workers as they came in: an enrolment is all certificates that follow from one use of a token, by renewal. A worker may
 * call itself as it likes; its certificate says which enrolment it is.
 */
export class WorkerEnrolments {
  constructor(private readonly database: VaultDatabase) {}

  /** A new one, before its first certificate. @returns its id */
  begin(now = seconds()): string {
    const id = `wrk_${randomBytes(6).toString("hex")}`;
    this.insert(id, now);
    this.prune(now);
    return id;
  }

  /** Notes a certificate. @param thumbprint SHA-256 of it; @returns false where the enrolment was revoked meanwhile */
  addCertificate(id: string, thumbprint: Buffer, expires: Date): boolean {
    return this.database.transaction(() => {
      const until = expires.getTime() / 1000;
      const good = this.database.run(
        `UPDATE worker_enrolments SET good_until = max(good_until, :until) WHERE id = :id AND revoked_at IS NULL`,
        { id, until },
      );
      if (good === 0) return false;
      this.database.run(
        `INSERT INTO worker_certificates (thumbprint, enrolment, expires_at) VALUES (:thumbprint, :id, :until)`,
        { thumbprint: thumbprint.toString("hex"), id, until },
      );
      return true;
    });
  }

  /** Of a certificate that the own authority signed. One that is not noted, by an older version, is an enrolment of its own. */
  ofCertificate(thumbprint: Buffer, validUntil: Date): WorkerEnrolment {
    const hex = thumbprint.toString("hex");
    const find = () =>
      this.database.get<Row>(
        `SELECT e.id, e.revoked_at, e.good_until FROM worker_certificates c JOIN worker_enrolments e ON e.id = c.enrolment
         WHERE c.thumbprint = :hex`,
        { hex },
      );
    let row = find();
    if (!row) {
      const id = `wrk_${hex.slice(0, 12)}`;
      this.database.transaction(() => {
        this.insert(id, seconds());
        this.addCertificate(id, thumbprint, validUntil);
      });
      row = find();
    }
    if (!row) throw new Error("the certificate's enrolment was just noted");
    return present(row);
  }

  /** Notes what a worker calls itself. @returns false where that was known */
  addName(id: string, name: string): boolean {
    return (
      this.database.run(`INSERT OR IGNORE INTO worker_names (name, enrolment) VALUES (:name, :id)`, { name, id }) > 0
    );
  }

  /** Enrolments with a certificate that may still be good: that of this id, or all that ever used this name. */
  named(name: string, now = seconds()): WorkerEnrolment[] {
    return this.database
      .all<Row>(
        `SELECT id, revoked_at, good_until FROM worker_enrolments
         WHERE good_until > :now AND (id = :name OR id IN (SELECT enrolment FROM worker_names WHERE name = :name)) ORDER BY id`,
        { name, now },
      )
      .map(present);
  }

  /** @returns false where it was revoked before */
  revoke(id: string, now = seconds()): boolean {
    return (
      this.database.run(`UPDATE worker_enrolments SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL`, {
        id,
        now,
      }) > 0
    );
  }

  private insert(id: string, now: number) {
    this.database.run(
      `INSERT OR IGNORE INTO worker_enrolments (id, enrolled_at, good_until) VALUES (:id, :now, :now)`,
      { id, now },
    );
  }

  private prune(now: number) {
    const before = now - KEPT_SECONDS;
    const old = `SELECT id FROM worker_enrolments WHERE good_until < :before`;
    this.database.run(`DELETE FROM worker_names WHERE enrolment IN (${old})`, { before });
    this.database.run(`DELETE FROM worker_certificates WHERE expires_at < :before`, { before });
    this.database.run(`DELETE FROM worker_enrolments WHERE good_until < :before`, { before });
  }
}
