import { openDatabase, sealingKey } from "@parley/service-kit";
import { DATABASE_KINDS, hasPostgres, testDatabase, type TestDatabase } from "@parley/service-kit/testing";
import { sql } from "drizzle-orm";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SchedulerDatabase } from "../store/job-store.js";
import * as schema from "../store/schema.js";
import { ticketKeys } from "../store/schema.js";
import { TicketIssuer } from "./ticket-issuer.js";

const postgres = await hasPostgres();
const [one, two, three] = [1, 2, 3].map((byte) => sealingKey(Buffer.alloc(32, byte)));

describe.each(DATABASE_KINDS)("the ticket key's key-encryption key on %s", (kind) => {
  describe.skipIf(kind === "postgresql" && !postgres)("with one database", () => {
    let target: TestDatabase;
    let database: SchedulerDatabase;
    const opened = () =>
      openDatabase({
        service: "scheduler",
        schema,
        migrationsFolder: fileURLToPath(new URL("../../migrations", import.meta.url)),
        url: target.url,
        dataDir: target.dataDir,
      });
    beforeEach(async () => {
      target = (await testDatabase(kind))!;
      database = await opened();
    });
    afterEach(async () => {
      await database.close();
      await target.remove();
    });
    const rows = async () => (await database.db.select().from(ticketKeys)).map(({ sealed }) => sealed.toString("hex"));

    it("is replaced: the ticket key stays, under the new one alone, and once more changes nothing", async () => {
      const { jwks } = await TicketIssuer.load(database, { current: one });
      const before = await rows();
      expect((await TicketIssuer.load(database, { current: two, former: one })).jwks).toBe(jwks);
      const after = await rows();
      expect(after).not.toEqual(before);
      expect((await TicketIssuer.load(database, { current: two, former: one })).jwks).toBe(jwks);
      expect((await TicketIssuer.load(database, { current: two })).jwks).toBe(jwks);
      expect(await rows()).toEqual(after);
      await expect(TicketIssuer.load(database, { current: one })).rejects.toThrow("opens none");
    });

    it("is not replaced by a wrong former key, nor where one row was changed: nothing is sealed anew then", async () => {
      const { jwks } = await TicketIssuer.load(database, { current: one });
      await database.db.execute(
        sql`INSERT INTO scheduler.ticket_key (kid, sealed, created_at)
          SELECT 'changed', set_byte(sealed, 40, get_byte(sealed, 40) # 1), now() - interval '1 day' FROM scheduler.ticket_key`,
      );
      const before = await rows();
      await expect(TicketIssuer.load(database, { current: two, former: three })).rejects.toThrow(
        /opens neither .* nothing was sealed anew/,
      );
      await expect(TicketIssuer.load(database, { current: two, former: one })).rejects.toThrow(
        "the stored ticket key changed opens neither",
      );
      expect(await rows()).toEqual(before);
      await database.db.execute(sql`DELETE FROM scheduler.ticket_key WHERE kid = 'changed'`);
      expect((await TicketIssuer.load(database, { current: two, former: one })).jwks).toBe(jwks);
    });

    it.skipIf(kind === "pglite")("is replaced once where replicas start together", async () => {
      const { jwks } = await TicketIssuer.load(database, { current: one });
      const others = await Promise.all([1, 2, 3, 4].map(opened));
      const keys = { current: two, former: one };
      const loaded = await Promise.all(others.map((other) => TicketIssuer.load(other, keys)));
      expect(loaded.map((issuer) => issuer.jwks)).toEqual(others.map(() => jwks));
      await Promise.all(others.map((other) => other.close()));
      expect((await TicketIssuer.load(database, { current: two })).jwks).toBe(jwks);
    });
  });
});
