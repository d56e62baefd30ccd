import { Code } from "@parley/proto";
import { randomBytes } from "node:crypto";
import { closeSync, cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { seconds } from "./database.js";
import { ROW_BYTES } from "./job-content.js";
import { Vault } from "./vault.js";

const opened: Vault[] = [];
const folders: string[] = [];
afterEach(() => {
  for (const vault of opened.splice(0)) vault.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function folder() {
  folders.push(mkdtempSync(join(tmpdir(), "parley-vault-")));
  return folders.at(-1)!;
}
function open(path = folder()) {
  opened.push(new Vault(path));
  return opened.at(-1)!;
}
const AGREEMENT = "a1".repeat(32);
const batchId = (n: number) => n.toString(16).padStart(32, "0");
function withAgreement(vault: Vault, records = 10) {
  vault.agreements.add({
    digest: AGREEMENT,
    id: "agr_1",
    jws: "{}",
    party: 0,
    partner: "clinic-b",
    assetId: "mdl_1",
    plan: Buffer.from("{}"),
    planDigest: "00",
    records,
    maxPrepared: 4,
    notBefore: seconds() - 1,
    expiresAt: seconds() + 3600,
  });
  return vault;
}
const batch = (n: number, records = 1) => ({ id: batchId(n), agreement: AGREEMENT, records, party: 0 as const });
const run = (n: number, settings: { batch?: number; records?: number; run?: number } = {}) => ({
  attempt: `att_${n}`,
  run: settings.run ?? 0,
  job: "job_1",
  agreement: AGREEMENT,
  batch: batchId(settings.batch ?? n),
  records: settings.records ?? 1,
  worker: "w1",
  peerCertificate: "",
  traceId: "",
});
const refused = (reason: string, code: Code) => expect.objectContaining({ reason, code });

describe("batches", () => {
  it("are recorded once, also across a restart and among parallel requests", async () => {
    const path = folder();
    const first = withAgreement(open(path));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, (_, i) => first.group.run(() => first.ledger.recordBatch(batch(i % 100)))),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(100);
    for (const outcome of outcomes)
      if (outcome.status === "rejected") expect(outcome.reason).toEqual(refused("BATCH_USED", Code.ALREADY_EXISTS));
    first.close();
    const second = open(path);
    expect(() => second.ledger.recordBatch(batch(7))).toThrow(refused("BATCH_USED", Code.ALREADY_EXISTS));
    second.ledger.recordBatch(batch(100));
  });

  it("cannot be forgotten or changed", () => {
    const vault = withAgreement(open());
    vault.ledger.recordBatch(batch(1));
    expect(() => vault.database.run("DELETE FROM batches")).toThrow(/never forgotten/);
    expect(() => vault.database.run("UPDATE batches SET records = 2")).toThrow(/never change/);
  });
});

describe("group commit", () => {
  it("answers after the disk has all of it, does what was put off with it, and goes on after a refusal", async () => {
    const vault = withAgreement(open());
    const order: string[] = [];
    vault.group.later(() => order.push("put off"));
    const first = vault.group.run(() => vault.ledger.recordBatch(batch(1))).then(() => order.push("first"));
    const again = vault.group.run(() => vault.ledger.recordBatch(batch(1)));
    await expect(again).rejects.toEqual(refused("BATCH_USED", Code.ALREADY_EXISTS));
    await first;
    expect(order).toEqual(["put off", "first"]);
    // While the disk works, more is committed; it is answered by the next write.
    let written = 0;
    const { database } = vault;
    const sync = database.sync.bind(database);
    database.sync = () => sync().finally(() => written++);
    await Promise.all(
      Array.from({ length: 300 }, (_, i) => vault.group.run(() => vault.ledger.recordBatch(batch(2 + i)))),
    );
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(100);
  });

  it("writes nothing any more once the disk has failed", async () => {
    const vault = withAgreement(open());
    vault.ledger.recordBatch(batch(1));
    closeSync((vault.database as unknown as { log: number }).log); // as a disk that is gone
    await expect(vault.group.run(() => vault.ledger.recordBatch(batch(2)))).rejects.toThrow("disk failed");
    expect(() => vault.ledger.recordBatch(batch(3))).toThrow("disk failed");
    (vault.database as unknown as { log: number | undefined }).log = undefined;
  });
});

describe("bound runs", () => {
  it("bind once per run of an attempt and once per batch", () => {
    const vault = withAgreement(open());
    [1, 2].forEach((n) => vault.ledger.recordBatch(batch(n)));
    vault.ledger.bind(run(1));
    expect(() => vault.ledger.bind(run(1, { batch: 2 }))).toThrow(refused("RUN_BOUND", Code.ALREADY_EXISTS));
    expect(() => vault.ledger.bind(run(2, { batch: 1 }))).toThrow(refused("RUN_BOUND", Code.ALREADY_EXISTS));
    expect(() => vault.ledger.bind(run(3))).toThrow(refused("BATCH_NOT_PREPARED", Code.FAILED_PRECONDITION));
    expect(() => vault.ledger.bind(run(2, { records: 2 }))).toThrow(
      refused("BATCH_NOT_PREPARED", Code.FAILED_PRECONDITION),
    );
    expect(vault.agreements.byDigest(AGREEMENT)!.used).toBe(1);
  });

  it("never take more than the quota, however many race", async () => {
    const vault = withAgreement(open(), 10);
    for (let n = 0; n < 30; n++) vault.ledger.recordBatch(batch(n, 3));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, n) => vault.group.run(() => vault.ledger.bind(run(n, { records: 3 })))),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(3);
    for (const outcome of outcomes)
      if (outcome.status === "rejected")
        expect(outcome.reason).toEqual(refused("QUOTA_USED_UP", Code.RESOURCE_EXHAUSTED));
    expect(vault.agreements.byDigest(AGREEMENT)!.used).toBe(9);
    expect(vault.ledger.open().length).toBe(3);
  });

  it("give quota back only where nothing was revealed, and end once", () => {
    const path = folder();
    const vault = withAgreement(open(path));
    [1, 2].forEach((n) => vault.ledger.recordBatch(batch(n, 4)));
    vault.ledger.bind(run(1, { records: 4 }));
    vault.ledger.bind(run(2, { records: 4 }));
    expect(vault.ledger.end("att_1", 0, false)?.state).toBe("released");
    expect(vault.agreements.byDigest(AGREEMENT)!.used).toBe(4);
    expect(vault.ledger.end("att_1", 0, false)).toBeUndefined();
    expect(vault.ledger.end("att_1", 0, true)).toBeUndefined();
    expect(vault.ledger.end("att_2", 0, true)?.state).toBe("revealed");
    expect(vault.ledger.end("att_2", 0, false)).toBeUndefined();
    vault.close();
    const again = open(path);
    expect(again.agreements.byDigest(AGREEMENT)!.used).toBe(4);
    expect(again.ledger.unreported().map(({ attempt, state }) => [attempt, state])).toEqual([
      ["att_1", "released"],
      ["att_2", "revealed"],
    ]);
  });

  it("are refused once the agreement has ended, which is for good", () => {
    const vault = withAgreement(open());
    vault.ledger.recordBatch(batch(1));
    expect(vault.agreements.end("agr_1", "asked", "statement")).toBe(true);
    expect(() => vault.ledger.bind(run(1))).toThrow(refused("AGREEMENT_NOT_ACTIVE", Code.FAILED_PRECONDITION));
    expect(vault.agreements.setSuspended("agr_1", false)).toBe(false);
    expect(withAgreement(vault).agreements.byId("agr_1")!.state).toBe("revoked");
    expect(vault.agreements.unsentRevocations()).toEqual([{ id: "agr_1", statement: "statement" }]);
  });
});

describe("masks", () => {
  it("keep the digest that was pinned first", () => {
    const vault = withAgreement(open());
    const mask = { id: "b2".repeat(32), agreement: AGREEMENT, nonce: "01", digest: "c3" };
    vault.agreements.pinMask(mask);
    vault.agreements.pinMask(mask);
    expect(() => vault.agreements.pinMask({ ...mask, digest: "c4" })).toThrow(
      refused("MASK_DIFFERS", Code.FAILED_PRECONDITION),
    );
    expect(vault.agreements.byDigest(AGREEMENT)!.maskedDigest).toBe("c3");
  });
});

describe("jobs", () => {
  const job = (id: string) => ({
    id,
    user: "ana",
    name: "",
    operation: "predict",
    assetId: "mdl_1",
    agreement: AGREEMENT,
    agreementId: "agr_1",
    records: 1,
    content: "00",
    traceparent: "",
    receivedAt: seconds(),
  });
  it("end once, and survive a restart", () => {
    const path = folder();
    const vault = open(path);
    expect(vault.jobs.add(job("job_1"))).toBe(true);
    expect(vault.jobs.add(job("job_1"))).toBe(false);
    vault.jobs.move("job_1", "queued");
    vault.attempts.add({ id: "att_1", job: "job_1", ticket: "t" });
    vault.close();
    const again = open(path);
    expect(again.jobs.unended().map(({ id, state }) => [id, state])).toEqual([["job_1", "queued"]]);
    expect(again.attempts.running().map(({ id }) => id)).toEqual(["att_1"]);
    expect(again.jobs.end("job_1", "succeeded", {})).toBe(true);
    expect(again.jobs.end("job_1", "failed", {})).toBe(false);
    expect(again.jobs.move("job_1", "running")).toBe(false);
    expect(() => again.database.run("UPDATE jobs SET state = 'queued'")).toThrow(/ends once/);
  });

  it("keep the first outcome of each run", () => {
    const vault = open();
    vault.jobs.add(job("job_1"));
    vault.attempts.add({ id: "att_1", job: "job_1", ticket: "t" });
    const ended = { run: 0, records: 8, output: Buffer.from("x"), revealed: true };
    expect(vault.attempts.addRun("att_1", ended)).toBe(true);
    expect(vault.attempts.addRun("att_1", { ...ended, output: Buffer.from("y") })).toBe(false);
    expect(vault.attempts.runs("att_1")[0].output!.toString()).toBe("x");
    expect(vault.attempts.end("att_1", { succeeded: false, retryable: true })!.revealed).toBe(8);
    expect(vault.attempts.end("att_1", { succeeded: true })).toBeUndefined();
  });
});

describe("content of jobs", () => {
  it("leaves no trace in any file within a moment of its removal, and none after a crash before that", async () => {
    const path = folder();
    const vault = open(path);
    const secret = randomBytes(500);
    const holds = (where: string) =>
      readdirSync(where).some(
        (name) => statSync(join(where, name)).isFile() && readFileSync(join(where, name)).includes(secret),
      );
    vault.database.transaction(await vault.content.store("inputs", "job_1", [secret]));
    expect(holds(path)).toBe(true);
    vault.content.drop("inputs", "job_1");
    const crashed = folder();
    cpSync(path, crashed, { recursive: true });
    expect(holds(crashed)).toBe(true);
    await vi.waitFor(() => expect(holds(path)).toBe(false), { timeout: 5_000 });
    open(crashed);
    expect(holds(crashed)).toBe(false);
  });

  it("is a row where it is small and a file where it is large, and is gone when removed", async () => {
    const path = folder();
    const vault = open(path);
    const [small, large] = [Buffer.alloc(100, 1), Buffer.alloc(ROW_BYTES + 1, 2)];
    for (const [job, bytes] of [
      ["job_1", small],
      ["job_2", large],
    ] as const) {
      const keep = await vault.content.store("inputs", job, [bytes.subarray(0, 40), bytes.subarray(40)]);
      vault.database.transaction(keep);
    }
    expect(readdirSync(join(path, "inputs"))).toEqual(["job_2"]);
    vault.close();
    const again = open(path);
    expect(await again.content.read("inputs", "job_1")).toEqual(small);
    expect(await again.content.size("inputs", "job_2")).toBe(large.length);
    const pieces: Buffer[] = [];
    for await (const piece of again.content.stream("inputs", "job_2")) pieces.push(piece);
    expect(Buffer.concat(pieces)).toEqual(large);
    await expect(again.content.read("results", "job_1")).rejects.toThrow();
    for (const job of ["job_1", "job_2"]) await again.content.remove("inputs", job);
    for (const job of ["job_1", "job_2"]) await expect(again.content.read("inputs", job)).rejects.toThrow();
  });
});

describe("files", () => {
  it("are whole or absent, and private", async () => {
    const vault = open();
    await vault.files.write("inputs", "job_1", [Buffer.from("ab"), Buffer.from("c")]);
    expect((await vault.files.read("inputs", "job_1")).toString()).toBe("abc");
    expect(statSync(join(vault.folder, "inputs", "job_1")).mode & 0o777).toBe(0o600);
    async function* broken() {
      yield Buffer.from("half");
      throw new Error("gone");
    }
    await expect(vault.files.write("inputs", "job_2", broken())).rejects.toThrow("gone");
    await expect(
      vault.files.write("inputs", "job_2", [Buffer.from("z")], () => {
        throw new Error("not this");
      }),
    ).rejects.toThrow("not this");
    expect(readdirSync(join(vault.folder, "inputs"))).toEqual(["job_1"]);
    await expect(vault.files.read("inputs", "../vault")).rejects.toThrow(TypeError);
  });

  it("that were cut off by a crash are swept at the next start", () => {
    const path = folder();
    open(path).close();
    writeFileSync(join(path, "masked", "x.1234.part"), "half");
    open(path);
    expect(readdirSync(join(path, "masked"))).toEqual([]);
  });
});

describe("the vault", () => {
  it("is open in one process at a time", () => {
    const path = folder();
    open(path);
    expect(() => new Vault(path)).toThrow(refused("VAULT_IN_USE", Code.FAILED_PRECONDITION));
  });

  it("keeps an append-only audit log", () => {
    const vault = open();
    vault.audit.append({ action: "a", actor: "clinic-a", subject: "s", details: { records: 3 } });
    expect(vault.audit.list("s", 0, 10)).toMatchObject([{ sequence: 1n, action: "a", details: '{"records":3}' }]);
    expect(() => vault.database.run("DELETE FROM audit")).toThrow(/append-only/);
    expect(() => vault.database.run("UPDATE audit SET actor = 'x'")).toThrow(/append-only/);
  });

  it("takes a worker's one-time token once, and not after its end", () => {
    const vault = open();
    const [hash, late] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    vault.keys.addWorkerToken(hash, new Date(Date.now() + 1000));
    vault.keys.addWorkerToken(late, new Date(Date.now() - 1000));
    expect([hash, hash, late, Buffer.alloc(32, 3)].map((token) => vault.keys.takeWorkerToken(token))).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
