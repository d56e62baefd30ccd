import { postgresPrograms, startPostgresWithTools, type PostgresWithTools } from "@parley/service-kit/testing";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startService, type Child } from "../system/index.js";
import { images, missing, publish, startRunning, type Published, type Running } from "./fixture.js";
import { JobStream, boundBatches } from "./job-stream.js";

const programs = postgresPrograms();

/** The dealer's database goes back to a backup while organisations go on, as docs/operations.md says. */
describe.skipIf(missing || !programs)(
  "the dealer is restored from a backup, after jobs that the backup does not know",
  () => {
    let server: PostgresWithTools;
    let running: Running;
    let url: string;
    let dealer: Child | undefined;

    beforeAll(async () => {
      server = await startPostgresWithTools(programs ?? "");
      url = await server.createDatabase("parley");
      running = await startRunning({ databaseUrl: url });
    }, 180_000);
    afterAll(async () => {
      await dealer?.stop();
      await running?.remove();
      await server?.stop();
    }, 60_000);

    const jobs = async (model: Published, count: number) => {
      const stream = new JobStream(running, model, 4);
      await stream.more(count);
      return (await stream.finish()).length;
    };
    /** Here router and dealer share a database: the dealer's schemas are what is dumped. */
    const dump = (...without: string[]) =>
      server.tool("pg_dump", [
        url,
        "--format=custom",
        `--file=${join(running.folder, "dealer.dump")}`,
        "--schema=dealer",
        "--schema=dealer_migrations",
        "--exclude-table-data=dealer.period_key",
        ...without,
      ]);
    const restore = async () => {
      await (dealer ?? running.services.get("dealer"))?.stop();
      await server.tool("pg_restore", [
        "--clean",
        "--if-exists",
        `--dbname=${url}`,
        join(running.folder, "dealer.dump"),
      ]);
      const env = { ...running.environments.get("dealer"), PARLEY_DEALER_VOID_AT_START: "true" };
      dealer = await startService({ service: "dealer", name: "dealer-restored", logs: running.logs, env });
    };
    const check = async (atLeast: number) => {
      const batches = await boundBatches(running);
      expect(new Set(batches).size).toBe(batches.length);
      expect(batches.length).toBeGreaterThanOrEqual(atLeast);
    };

    it("with the masks: jobs go on under their agreement, each with a batch that was never used", async () => {
      const model = await publish(running, "a", 100_000);
      const before = await jobs(model, 12);
      await dump();
      const between = await jobs(model, 12);
      await restore();
      await check(before + between + (await jobs(model, 12)));
    }, 240_000);

    it("without the masks: jobs of the agreement end and say why, and those of a new one succeed", async () => {
      const model = await publish(running, "a", 100_000);
      await jobs(model, 8);
      await dump("--exclude-table-data=dealer.mask");
      await jobs(model, 8);
      await restore();
      const { dataset } = images(1);
      const job = running.b.createJob({ operation: "predict", asset: model.asset, dataset });
      await job.submit();
      expect(job.error?.message).toMatch(/no active mask/);
      await running.a.agreements.revoke(model.agreement, "the dealer was restored");
      const again = await publish(running, "a", 100_000);
      await jobs(again, 8);
      await check(24);
    }, 240_000);
  },
);
