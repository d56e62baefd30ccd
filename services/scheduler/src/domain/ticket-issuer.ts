import {
  TICKET_SECONDS,
  generateSigningKey,
  signTicket,
  ticketKeySet,
  type TicketClaims,
  type TicketKey,
} from "@parley/agreement";
import { cutRuns } from "@parley/plan";
import type { SealingKeys } from "@parley/service-kit";
import { desc, eq, sql } from "drizzle-orm";
import { createPrivateKey, randomBytes } from "node:crypto";
import type { JobRow, SchedulerDatabase } from "../store/job-store.js";
import { ticketKeys } from "../store/schema.js";
import { open, seal } from "./sealing.js";

const purposeOf = (kid: string) => `parley/v1/ticket-key/${kid}`;

/** Signs tickets with the scheduler's own key, which all replicas share: sealed in the database. */
export class TicketIssuer {
  /** JSON Web Key Set that verifies them. */
  readonly jwks: string;

  private constructor(private readonly keys: readonly TicketKey[]) {
    this.jwks = ticketKeySet(keys);
  }

  /**
   * Loads the keys, newest first; makes one where there is none. What the former key-encryption key sealed is sealed anew
   * under the current one, all or nothing; replicas that run already hold the keys in memory and read no row again.
   * @throws Error where the key-encryption key opens none of them, and beside a former one where neither opens each
   */
  static async load(database: SchedulerDatabase, { current, former }: SealingKeys): Promise<TicketIssuer> {
    return database.db.transaction(async (tx) => {
      await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtext('parley-scheduler-ticket-key'))`);
      const rows = await tx.select().from(ticketKeys).orderBy(desc(ticketKeys.createdAt));
      const keys: TicketKey[] = [];
      for (const { kid, sealed } of rows) {
        const opened = open(current.key, purposeOf(kid), sealed);
        const again = opened ?? (former && open(former.key, purposeOf(kid), sealed));
        if (again) keys.push({ kid, privateKey: createPrivateKey(again.toString("utf8")) });
        if (opened || !former) continue;
        if (!again)
          throw new Error(
            `the stored ticket key ${kid} opens neither under the key-encryption key nor under the former one: it was changed, or another key sealed it; nothing was sealed anew`,
          );
        await tx
          .update(ticketKeys)
          .set({ sealed: seal(current.key, purposeOf(kid), again) })
          .where(eq(ticketKeys.kid, kid));
      }
      if (keys.length > 0) return new TicketIssuer(keys);
      if (rows.length > 0)
        throw new Error("the key-encryption key opens none of the stored ticket keys; use the one that sealed them");
      const kid = randomBytes(8).toString("hex");
      const { privateKeyPem } = generateSigningKey();
      await tx
        .insert(ticketKeys)
        .values({ kid, sealed: seal(current.key, purposeOf(kid), Buffer.from(privateKeyPem)) });
      return new TicketIssuer([{ kid, privateKey: createPrivateKey(privateKeyPem) }]);
    });
  }

  /** End of a ticket that is issued at `now`. */
  expiryAt = (now: Date): Date => new Date((Math.floor(now.getTime() / 1000) + TICKET_SECONDS) * 1000);

  /** The ticket of an attempt; its runs are the job's records cut by the plan's most records per run, so that anybody can check the cut. */
  issue(job: JobRow, attemptId: string, expires: Date): string {
    const exp = Math.floor(expires.getTime() / 1000);
    const claims: TicketClaims = {
      iss: "router/scheduler",
      aud: [job.modelOwner, job.organisationId],
      jti: attemptId,
      job: job.id,
      agreement: job.agreementDigest,
      planDigest: job.planDigest,
      org0: job.modelOwner,
      org1: job.organisationId,
      operation: "predict",
      runs: cutRuns(job.records, job.maxRecords),
      iat: exp - TICKET_SECONDS,
      exp,
    };
    return signTicket(claims, this.keys[0]);
  }
}
