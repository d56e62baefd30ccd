import { Code, ParleyError } from "@parley/proto";
import { seconds, type VaultDatabase } from "./database.js";

/** 0: this organisation owns the model (P0). 1: it owns the data (P1). */
export type PartyNumber = 0 | 1;
export type AgreementStatus = "active" | "suspended" | "revoked";

/** An agreement that this access point has verified itself, under the keys it pinned. Digests and ids are hex. */
export interface HeldAgreement {
  readonly digest: string;
  readonly id: string;
  readonly jws: string;
  readonly party: PartyNumber;
  readonly partner: string;
  readonly assetId: string;
  readonly plan: Buffer;
  readonly planDigest: string;
  /** Records that may be revealed. */
  readonly records: number;
  /** Own count: records revealed or bound. */
  readonly used: number;
  readonly maxPrepared: number;
  /** Seconds since 1970. */
  readonly notBefore: number;
  readonly expiresAt: number;
  readonly state: AgreementStatus;
  readonly maskId?: string;
  readonly maskNonce?: string;
  readonly maskedDigest?: string;
}

const COLUMNS = `digest, id, jws, party, partner, asset_id AS assetId, plan, plan_digest AS planDigest, records,
  max_prepared AS maxPrepared, not_before AS notBefore, expires_at AS expiresAt, state,
  mask_id AS maskId, mask_nonce AS maskNonce, masked_digest AS maskedDigest`;
type Row = Omit<HeldAgreement, "plan" | "used" | "maskId" | "maskNonce" | "maskedDigest"> & {
  plan: Uint8Array;
  maskId: string | null;
  maskNonce: string | null;
  maskedDigest: string | null;
};
export const isCurrent = (agreement: HeldAgreement, now = seconds()): boolean =>
  agreement.state === "active" && agreement.notBefore <= now && now < agreement.expiresAt;

export class Agreements {
  /** All of them, by digest, as they are outside transactions; plans and texts are large, and every run asks. */
  private held: Map<string, HeldAgreement> | undefined;

  constructor(private readonly database: VaultDatabase) {}

  byDigest(digest: string): HeldAgreement | undefined {
    return this.all().get(digest);
  }

  byId(id: string): HeldAgreement | undefined {
    return [...this.all().values()].find((held) => held.id === id);
  }

  /** Agreements in force now. */
  current(now = seconds()): HeldAgreement[] {
    return [...this.all().values()].filter((held) => isCurrent(held, now));
  }

  private all(): Map<string, HeldAgreement> {
    if (this.held && !this.database.isWriting) return this.held;
    const rows = this.database.all<Row>(`SELECT ${COLUMNS} FROM agreements ORDER BY id`);
    const all = new Map(rows.map((row) => [row.digest, this.decode(row)]));
    if (!this.database.isWriting) this.held = all;
    return all;
  }

  private decode(row: Row): HeldAgreement {
    const { database } = this;
    return {
      ...row,
      plan: Buffer.from(row.plan),
      maskId: row.maskId ?? undefined,
      maskNonce: row.maskNonce ?? undefined,
      maskedDigest: row.maskedDigest ?? undefined,
      get used() {
        const sql = `SELECT used FROM agreements WHERE digest = :digest`;
        return database.get<{ used: number }>(sql, { digest: row.digest })?.used ?? 0;
      },
    };
  }

  private change(sql: string, values: Parameters<VaultDatabase["run"]>[1]): number {
    this.held = undefined;
    return this.database.run(sql, values);
  }

  /** The next moment at which an agreement starts or ends by its dates. */
  nextChange(now = seconds()): number | undefined {
    const row = this.database.get<{ at: number | null }>(
      `SELECT min(at) AS at FROM (
         SELECT not_before AS at FROM agreements WHERE state = 'active' UNION ALL
         SELECT expires_at AS at FROM agreements WHERE state = 'active') WHERE at > :now`,
      { now },
    );
    return row?.at ?? undefined;
  }

  /** Stores a verified agreement; one that is known, or was ended here, stays as it is. True where it is new. */
  add(agreement: Omit<HeldAgreement, "used" | "state" | "maskId" | "maskNonce" | "maskedDigest">): boolean {
    if (this.isEnded(agreement.id)) return false;
    return (
      this.change(
        `INSERT OR IGNORE INTO agreements (digest, id, jws, party, partner, asset_id, plan, plan_digest, records, max_prepared,
           not_before, expires_at, state, activated_at)
         VALUES (:digest, :id, :jws, :party, :partner, :assetId, :plan, :planDigest, :records, :maxPrepared,
           :notBefore, :expiresAt, 'active', :at)`,
        { ...agreement, at: seconds() },
      ) === 1
    );
  }

  /** An agreement has one mask, for good: two would give the data owner two views of the weights. @throws Error for a second */
  setMask(digest: string, mask: { id: string; nonce: string; digest: string }) {
    const changed = this.change(
      `UPDATE agreements SET mask_id = :id, mask_nonce = :nonce, masked_digest = :masked WHERE digest = :digest AND mask_id IS NULL`,
      { digest, id: mask.id, nonce: mask.nonce, masked: mask.digest },
    );
    if (changed === 0) throw new Error("the agreement has a mask already, or is not held here");
  }

  /** Suspends or resumes; a revoked one stays revoked. True where something changed. */
  setSuspended(id: string, suspended: boolean): boolean {
    const [from, to] = suspended ? ["active", "suspended"] : ["suspended", "active"];
    return this.change(`UPDATE agreements SET state = :to WHERE id = :id AND state = :from`, { id, from, to }) === 1;
  }

  /** Ends an agreement for good, also one that this access point does not hold yet. True where it was not ended before. */
  end(id: string, reason: string, statement?: string): boolean {
    return this.database.transaction(() => {
      this.change(`UPDATE agreements SET state = 'revoked' WHERE id = :id`, { id });
      return (
        this.database.run(
          `INSERT OR IGNORE INTO ended_agreements (id, statement, reason, sent, ended_at) VALUES (:id, :statement, :reason, :sent, :at)`,
          { id, statement: statement ?? null, reason, sent: statement === undefined ? 1 : 0, at: seconds() },
        ) === 1
      );
    });
  }

  isEnded(id: string): boolean {
    return this.database.get(`SELECT 1 FROM ended_agreements WHERE id = :id`, { id }) !== undefined;
  }

  /** Own revocations that the router has not acknowledged. */
  unsentRevocations(): { id: string; statement: string }[] {
    return this.database.all(`SELECT id, statement FROM ended_agreements WHERE sent = 0`);
  }

  markRevocationSent(id: string) {
    this.database.run(`UPDATE ended_agreements SET sent = 1 WHERE id = :id`, { id });
  }

  /** Own models' masks whose agreement is over and of which the dealer was not told. */
  withEndedMasks(now = seconds()): HeldAgreement[] {
    return this.database
      .all<Row>(
        `SELECT ${COLUMNS} FROM agreements WHERE party = 0 AND mask_id IS NOT NULL AND mask_ended = 0
           AND (state = 'revoked' OR expires_at <= :now)`,
        { now },
      )
      .map((row) => this.decode(row));
  }

  markMaskEnded(digest: string) {
    this.database.run(`UPDATE agreements SET mask_ended = 1 WHERE digest = :digest`, { digest });
  }

  /** The own agreement whose model is masked with this mask. */
  byMask(maskId: string): HeldAgreement | undefined {
    return [...this.all().values()].find((held) => held.maskId === maskId);
  }

  /** Pins SHA-256(D) for a mask id. @throws ParleyError FAILED_PRECONDITION where another digest is pinned */
  pinMask(mask: { id: string; agreement: string; nonce: string; digest: string }): void {
    this.database.transaction(() => {
      this.database.run(
        `INSERT OR IGNORE INTO pinned_masks (mask_id, agreement, nonce, digest, pinned_at) VALUES (:id, :agreement, :nonce, :digest, :at)`,
        { ...mask, at: seconds() },
      );
      const pinned = this.pinnedMask(mask.id)!;
      if (pinned.digest !== mask.digest || pinned.agreement !== mask.agreement || pinned.nonce !== mask.nonce)
        throw new ParleyError(
          Code.FAILED_PRECONDITION,
          "MASK_DIFFERS",
          `other masked weights are pinned for mask ${mask.id}`,
          "The model owner states other weights than at first. Do not go on; ask the model owner.",
        );
      if (this.byDigest(mask.agreement)?.maskId === undefined) this.setMask(mask.agreement, mask);
    });
  }

  pinnedMask(maskId: string): { agreement: string; nonce: string; digest: string } | undefined {
    return this.database.get(`SELECT agreement, nonce, digest FROM pinned_masks WHERE mask_id = :maskId`, { maskId });
  }
}
