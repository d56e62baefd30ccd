import { Dealing, correctionBytes as correctionsLength, deriveBatch, expandMask } from "@parley/correlation";
import { Code, ParleyError, dealer } from "@parley/proto";
import {
  RpcServer,
  TrustStore,
  type Binding,
  createLogger,
  implement,
  mutualServerCredentials,
} from "@parley/service-kit";
import { testOrganisation, type TestOrganisation } from "@parley/service-kit/testing";
import { randomBytes } from "node:crypto";
import { densePlan, digestOfPlan } from "./network.js";

const EMPTY = Buffer.alloc(0);

interface Mask {
  readonly dealing: Dealing;
  readonly org0: string;
  readonly org1: string;
}

const missing = (reason: string) => new ParleyError(Code.FAILED_PRECONDITION, reason, "refused");
const unused = async (): Promise<never> => {
  throw new ParleyError(Code.UNIMPLEMENTED, "UNUSED", "not part of these tests");
};

/** A dealer with the real correlations and a ledger in memory that gives each part once. */
export class TestDealer {
  readonly #masks = new Map<string, Mask>();
  readonly #batches = new Map<string, { maskId: Buffer; records: number; given: Set<number> }>();
  readonly #periodKey = randomBytes(32);
  readonly #signingKeys = new Map<string, Buffer>();
  /** Keys of all parts given: what must not be found in a log. */
  readonly secrets: Buffer[] = [];
  /** Called before a part is given; may wait. */
  beforePart: () => Promise<void> = async () => {};
  /** After the head of a part nothing more comes, until the caller gives up. */
  stallAfterHead = false;
  /** Heads name another number of records than was asked for. */
  wrongRecords = false;
  /** Calls for parts that are under way. */
  openCalls = 0;
  /** The batch that the next CreateBatch names, instead of new ones. */
  repeat: Buffer | undefined;
  address = "";

  private constructor(
    readonly organisation: TestOrganisation,
    private readonly server: RpcServer,
  ) {}

  static async start(partners: readonly TestOrganisation[]): Promise<TestDealer> {
    const organisation = await testOrganisation("dealer");
    const trust = new TrustStore(Object.fromEntries(partners.map((p) => [p.id, p.bundle])));
    const binding: Binding = implement<dealer.DealerServiceServer>(
      dealer.DealerServiceService,
      {
        createEnrolmentToken: unused,
        openMask: async function* () {
          yield await unused();
        },
        endMask: unused,
        createBatches: async ({ maskId, records, count }) => {
          const batchIds = Array.from({ length: count }, () => self.repeat ?? self.newBatch(maskId, records));
          self.repeat = undefined;
          return { batchIds, expires: new Date(Date.now() + 60_000) };
        },
        fetchParts: ({ batchIds }, { peer, signal }) => self.parts(batchIds, peer?.org ?? "", signal),
      },
      { all: { roles: ["worker"] } },
    );
    const server = new RpcServer({
      credentials: mutualServerCredentials(await organisation.certificate("dealer"), trust),
      bindings: [binding],
      trust,
      logger: createLogger("dealer", "silent"),
    });
    const self: TestDealer = new TestDealer(organisation, server);
    self.address = `localhost:${await server.listen("127.0.0.1:0")}`;
    return self;
  }

  /** Draws U for a mask id. */
  async openMask(maskId: Buffer, org0: string, org1: string): Promise<Buffer> {
    const key = randomBytes(32);
    const u: Uint8Array[] = [];
    for await (const chunk of expandMask(key, maskId, densePlan)) u.push(chunk);
    this.#masks.set(maskId.toString("hex"), { dealing: new Dealing(densePlan, key, maskId), org0, org1 });
    return Buffer.concat(u);
  }

  newBatch(maskId: Buffer, records: number): Buffer {
    const id = randomBytes(16);
    this.#batches.set(id.toString("hex"), { maskId, records, given: new Set() });
    return id;
  }

  /** What both parts of a batch state. */
  fingerprint(batchId: Buffer): Buffer {
    return Buffer.from(this.keys(batchId).fingerprint);
  }

  given(batchId: Buffer, party: 0 | 1): boolean {
    return this.#batches.get(batchId.toString("hex"))?.given.has(party) ?? false;
  }

  /** Batches drawn so far. */
  get batches(): number {
    return this.#batches.size;
  }

  async close(): Promise<void> {
    await this.server.close(100);
    for (const { dealing } of this.#masks.values()) dealing.destroy();
  }

  private find(batchId: Buffer) {
    const batch = this.#batches.get(batchId.toString("hex"));
    const mask = batch && this.#masks.get(batch.maskId.toString("hex"));
    if (!batch || !mask) throw missing("PART_REFUSED");
    return { batch, mask };
  }

  private keys(batchId: Buffer) {
    const { batch, mask } = this.find(batchId);
    return deriveBatch(this.#periodKey, {
      maskId: batch.maskId,
      planDigest: digestOfPlan,
      batchId,
      records: batch.records,
      org0: this.enrolledKey(mask.org0),
      org1: this.enrolledKey(mask.org1),
    });
  }

  private enrolledKey(org: string): Buffer {
    const known = this.#signingKeys.get(org) ?? randomBytes(32);
    this.#signingKeys.set(org, known);
    return known;
  }

  private async *parts(ids: Buffer[], org: string, signal: AbortSignal): AsyncGenerator<dealer.FetchPartsResponse> {
    this.openCalls++;
    try {
      await this.beforePart();
      const head = this.give(ids, org);
      yield { ...head, records: this.wrongRecords ? 2 * head.records : head.records };
      if (this.stallAfterHead) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      const later = { parts: [], records: 0, maskId: EMPTY, correctionBytes: 0n };
      if (head.correctionBytes > 0n)
        for (const id of ids)
          for await (const chunk of this.find(id).mask.dealing.corrections(this.keys(id), head.records))
            yield { ...later, chunk: Buffer.from(chunk) };
    } finally {
      this.openCalls--;
    }
  }

  /** The head of parts, once. */
  private give(ids: Buffer[], org: string): dealer.FetchPartsResponse {
    const parts = ids.map((batchId) => {
      const { batch, mask } = this.find(batchId);
      const party = org === mask.org1 ? 1 : 0;
      if (batch.given.has(party) || (party === 0 && org !== mask.org0)) throw missing("PART_REFUSED");
      batch.given.add(party);
      const { key0, key1, fingerprint } = this.keys(batchId);
      const key = Buffer.from(party === 0 ? key0 : key1);
      this.secrets.push(Buffer.from(key));
      return { key, fingerprint: Buffer.from(fingerprint) };
    });
    const { batch, mask } = this.find(ids[0]);
    const { records, maskId } = batch;
    const correctionBytes = org === mask.org1 ? BigInt(correctionsLength(densePlan, records)) : 0n;
    return { parts, records, maskId, correctionBytes, chunk: EMPTY };
  }
}
