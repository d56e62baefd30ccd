import { fleet } from "@parley/proto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  images,
  missing,
  predict,
  publish,
  startRunning,
  until,
  type Published,
  type Running,
} from "../e2e/fixture.js";
import { startService, type Organisation } from "../system/index.js";
import { EvilWorker } from "./evil-worker.js";
import { audited, authorityOf, certificateOf, dealerClient, drain, refusal } from "./intruder.js";

const { PARTY_SERVER, PARTY_CLIENT } = fleet.Party;
const GIVEN = "FAILED_PRECONDITION PART_REFUSED";

/** The tests try to make each party use a batch twice. Each refuses for itself, whatever the other two would let pass. */
describe.skipIf(missing)("a batch is used once", () => {
  let running: Running;
  let model: Published;
  let evil: EvilWorker;
  /** Named once in a session to a worker of the model owner. */
  let spent: { id: Buffer; fingerprint: Buffer };

  const organisation = (id: "clinic-a" | "clinic-b"): Organisation => {
    const found = running.organisations.get(id);
    if (!found) throw new Error(`${id} runs`);
    return found;
  };
  const prepared = async (id: Buffer, at: Running["a"]) =>
    (await audited(at, "batch.prepared")).some(({ details }) => details.batch === id.toString("hex"));
  const newBatch = async (maskId: Buffer) => {
    const { batchIds } = await evil.dealer.createBatches({ maskId, records: 1, count: 1 });
    const [head] = await drain(evil.dealer.fetchParts({ batchIds }));
    return { id: batchIds[0], fingerprint: head.parts[0].fingerprint };
  };
  const address = (worker: number) => organisation("clinic-a").workers[worker].announced.mtls;
  const nameAgain = (worker: number) =>
    evil.nameBatch(address(worker), organisation("clinic-a"), () => Promise.resolve(spent));
  const fetchAs = async (id: "clinic-a" | "clinic-b", batchId: Buffer) => {
    const client = dealerClient(running, await certificateOf(authorityOf(organisation(id)), "worker"));
    return refusal(drain(client.fetchParts({ batchIds: [batchId] }))).finally(() => client.close());
  };
  const restartAccessPoint = async (id: "clinic-a" | "clinic-b") => {
    const org = organisation(id);
    await org.accessPoint.kill();
    const env = org.accessPointEnv;
    org.accessPoint = await startService({
      service: "access-point",
      name: `${id}-access-point`,
      logs: running.logs,
      env,
    });
  };
  const works = async () => {
    const { dataset, pixels } = images(1);
    const job = await predict(running.b, model.asset, dataset);
    if (!job.success) throw job.error ?? new Error(job.state);
    expect(job.result.logits).toEqual(model.twin(pixels));
  };
  const worksAgain = () =>
    until(
      () =>
        works().then(
          () => true,
          () => false,
        ),
      "a prediction",
      60_000,
    );

  beforeAll(async () => {
    running = await startRunning();
    model = await publish(running, "a", 1000);
    await works();
    await organisation("clinic-a").addWorker();
    evil = await EvilWorker.of(running, organisation("clinic-b"));
  }, 180_000);
  afterAll(async () => {
    evil?.close();
    // Those that were started again by a test.
    for (const { accessPoint, workers } of running?.organisations.values() ?? [])
      await Promise.all([accessPoint, ...workers].map((child) => child.stop()));
    await running?.remove();
  }, 90_000);

  it("the model owner takes a batch of the peer's choice, once: a replay is refused, by the same worker and by another", async () => {
    const first = await evil.nameBatch(
      address(0),
      organisation("clinic-a"),
      async (maskId) => (spent = await newBatch(maskId)),
      () => prepared(spent.id, running.a),
    );
    expect(first).toBe("CANCELLED"); // ended by us, when A had recorded the batch
    expect(await prepared(spent.id, running.a)).toBe(true);
    expect(await nameAgain(0)).toBe("BATCH_USED");
    expect(await nameAgain(1)).toBe("BATCH_USED");
    expect(
      (await audited(running.a, "batch.prepared")).filter((e) => e.details.batch === spent.id.toString("hex")),
    ).toHaveLength(1);
  }, 90_000);

  it("the dealer gives each part once: not again to the worker that had it, nor to another of that organisation, nor for the other role", async () => {
    expect(await refusal(drain(evil.dealer.fetchParts({ batchIds: [spent.id] })))).toBe(GIVEN);
    expect(await fetchAs("clinic-b", spent.id)).toBe(GIVEN);
    expect(await fetchAs("clinic-a", spent.id)).toBe(GIVEN);
  }, 90_000);

  it("of many callers at the same time one gets a part", async () => {
    let batchId: Buffer = Buffer.alloc(0);
    await evil.nameBatch(address(0), organisation("clinic-a"), async (maskId) => {
      ({
        batchIds: [batchId],
      } = await evil.dealer.createBatches({ maskId, records: 1, count: 1 }));
      throw new Error("enough");
    });
    expect(batchId).toHaveLength(16);
    const answers = await Promise.all(Array.from({ length: 12 }, () => fetchAs("clinic-b", batchId)));
    expect(answers.filter((answer) => answer === "no error")).toHaveLength(1);
    expect(answers.filter((answer) => answer === GIVEN)).toHaveLength(11);
  }, 90_000);

  it("the data owner's access point records a batch once, whichever of its workers asks", async () => {
    const [used] = await audited(running.b, "batch.prepared");
    const id = Buffer.from(used.details.batch, "hex");
    expect(await evil.recordBatch(id, PARTY_CLIENT)).toBe("BATCH_USED");
    expect(await evil.recordBatch(spent.id, PARTY_CLIENT)).toBe(""); // the intruder had not told it
    expect(await evil.recordBatch(spent.id, PARTY_CLIENT)).toBe("BATCH_USED");
    expect(await evil.recordBatch(Buffer.alloc(16, 7), PARTY_SERVER)).toBe("PARTY");
  }, 90_000);

  it("workers that crash after they fetched lose the batch: nobody gets it again, no worker takes it up", async () => {
    const ready = (await audited(running.b, "batch.prepared")).map(({ details }) => details.batch);
    await Promise.all([organisation("clinic-b").workers[0].kill(), organisation("clinic-a").workers[0].kill()]);
    await organisation("clinic-b").addWorker();
    for (const hex of ready.slice(-4)) {
      const id = Buffer.from(hex, "hex");
      expect(await fetchAs("clinic-b", id)).toBe(GIVEN);
      expect(await fetchAs("clinic-a", id)).toBe(GIVEN);
      expect(await evil.recordBatch(id, PARTY_CLIENT)).toBe("BATCH_USED");
    }
    expect(await nameAgain(1)).toBe("BATCH_USED");
    await worksAgain();
    const after = (await audited(running.b, "batch.prepared")).map(({ details }) => details.batch);
    expect(new Set(after).size).toBe(after.length);
  }, 120_000);

  it("killed access points have not forgotten: both still refuse", async () => {
    const [used] = await audited(running.b, "batch.prepared");
    await restartAccessPoint("clinic-a");
    await restartAccessPoint("clinic-b");
    evil.close();
    evil = await EvilWorker.of(running, organisation("clinic-b"));
    await worksAgain(); // A's worker is attached again
    expect(await nameAgain(1)).toBe("BATCH_USED");
    expect(await evil.recordBatch(spent.id, PARTY_CLIENT)).toBe("BATCH_USED");
    expect(await evil.recordBatch(Buffer.from(used.details.batch, "hex"), PARTY_CLIENT)).toBe("BATCH_USED");
  }, 120_000);

  it("a killed dealer gives nothing of before: neither parts that were given nor, on its embedded database, those that were not", async () => {
    let batchId: Buffer = Buffer.alloc(0);
    await evil.nameBatch(address(1), organisation("clinic-a"), async (maskId) => {
      ({
        batchIds: [batchId],
      } = await evil.dealer.createBatches({ maskId, records: 1, count: 1 }));
      throw new Error("enough");
    });
    await running.services.get("dealer")?.kill();
    await running.restart("dealer");
    expect(await fetchAs("clinic-a", spent.id)).toBe(GIVEN);
    expect(await fetchAs("clinic-b", spent.id)).toBe(GIVEN);
    expect(await fetchAs("clinic-b", batchId)).toBe(GIVEN);
    await worksAgain();
  }, 120_000);
});
