import { Code } from "@parley/proto";
import { createLogger } from "@parley/service-kit";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seconds } from "../../store/database.js";
import { Vault } from "../../store/vault.js";
import { Changes } from "../changes.js";
import { Tickets } from "../tickets.js";
import { Fleet } from "./fleet.js";
import { RunDesk } from "./run-desk.js";

const AGREEMENT = "a1".repeat(32);
const BATCH = "b1".repeat(16);

describe("a run whose worker is lost", () => {
  let vault: Vault;
  let desk: RunDesk;
  let fleet: Fleet;
  const worker = () => fleet.attach({ name: "w", endpoint: "", concurrency: 1, finished: [] });
  const used = () => vault.agreements.byDigest(AGREEMENT)!.used;
  const ended = { attemptId: "att_1", run: 0, batchId: Buffer.from(BATCH, "hex"), bytesReceived: 0n, bytesSent: 0n };

  beforeEach(() => {
    vault = new Vault(mkdtempSync(join(tmpdir(), "parley-desk-")));
    const logger = createLogger("test", "silent");
    const changes = new Changes();
    fleet = new Fleet(changes, logger);
    const own = { id: "clinic-a" };
    const noRouter = {
      get scheduler(): never {
        throw new Error("not asked for");
      },
    };
    desk = new RunDesk(own, vault, fleet, new Tickets(noRouter, own), changes, logger, 50);
    vault.agreements.add({
      digest: AGREEMENT,
      id: "agr_1",
      jws: "{}",
      party: 0,
      partner: "clinic-b",
      assetId: "mdl_1",
      plan: Buffer.from("{}"),
      planDigest: "00",
      records: 10,
      maxPrepared: 4,
      notBefore: seconds() - 1,
      expiresAt: seconds() + 3600,
    });
    vault.ledger.recordBatch({ id: BATCH, agreement: AGREEMENT, records: 4, party: 0 });
    const run = { attempt: "att_1", run: 0, job: "job_1", agreement: AGREEMENT, batch: BATCH, records: 4 };
    vault.ledger.bind({ ...run, worker: "w", peerCertificate: "", traceId: "" });
  });
  afterEach(() => {
    vault.close();
    rmSync(vault.folder, { recursive: true, force: true });
  });
  const stateAfter = async (state: string) => {
    while (vault.ledger.find("att_1", 0)!.state === "bound") await new Promise((resolve) => setTimeout(resolve, 10));
    expect(vault.ledger.find("att_1", 0)!.state).toBe(state);
  };

  it("counts as revealed once its worker's word is overdue, for good", async () => {
    desk.lost(worker());
    await stateAfter("revealed");
    await desk.ended({ ...ended, revealed: false }); // too late: somebody may have relied on it
    expect(used()).toBe(4);
  });

  it("gives its quota back where the worker returns in time and says that nothing left", async () => {
    desk.lost(worker());
    await desk.ended({ ...ended, revealed: false });
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(vault.ledger.find("att_1", 0)!.state).toBe("released");
    expect(used()).toBe(0);
  });

  it("counts as revealed after a restart without a word", async () => {
    desk.recover();
    await stateAfter("revealed");
    expect(used()).toBe(4);
    expect(vault.ledger.unreported().map(({ state }) => state)).toEqual(["revealed"]);
    expect(vault.audit.list("job_1", 0, 10).map(({ action }) => action)).toEqual(["run.presumed-revealed"]);
  });

  it("of before a start does not hold an access point that stops; that one binds no more runs", async () => {
    const bind = { ticket: "", agreementDigest: Buffer.alloc(0), batchId: Buffer.alloc(0), jobId: "", attemptId: "" };
    const more = { run: 0, records: 1, peerCertificate: Buffer.alloc(0), traceparent: "" };
    await desk.drain(60_000); // nothing is bound in this process: the run is one of before its start
    await expect(desk.bind({ ...bind, ...more }, worker())).rejects.toMatchObject({
      code: Code.UNAVAILABLE,
      reason: "DRAINING",
    });
  });
});
