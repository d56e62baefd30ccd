import { decodeWeights, maskBytes, type Weights } from "@parley/plan";
import { forgetOperand } from "@parley/protocol";
import { Code, ParleyError, type fleet, type ServiceClient } from "@parley/proto";
import { createHash } from "node:crypto";
import type { WorkingAgreement } from "./agreement.js";

type FleetClient = ServiceClient<typeof fleet.FleetServiceService>;

async function collect(chunks: AsyncIterable<{ chunk: Buffer }>, limit: number, what: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let total = 0;
  for await (const { chunk } of chunks) {
    total += chunk.length;
    if (total > limit)
      throw new ParleyError(
        Code.RESOURCE_EXHAUSTED,
        "TOO_LARGE",
        `${what} is larger than the plan says`,
        "The partner runs another version or model.",
      );
    pieces.push(chunk);
  }
  return Buffer.concat(pieces, total);
}

/** Keeps one value per key while somebody uses or may use it; a failed load is forgotten. */
class Loads<T extends object> {
  readonly #held = new Map<string, Promise<T>>();

  get(key: string, load: () => Promise<T>): Promise<T> {
    const held = this.#held.get(key);
    if (held) return held;
    const loading = load();
    this.#held.set(key, loading);
    loading.catch(() => this.#held.delete(key));
    return loading;
  }

  forget(key: string): void {
    this.#held.get(key)?.then(forgetOperand, () => undefined);
    this.#held.delete(key);
  }
}

/** Generous: encoding overhead of the vault's format. */
const weightLimit = (agreement: WorkingAgreement) => 2 * maskBytes(agreement.plan) + (64 << 20);

/** The operands of this worker's sessions: weights at the model owner, masked weights D at both. In memory only. */
export class Operands {
  readonly #weights = new Loads<Weights>();
  readonly #masked = new Loads<Buffer>();
  readonly #maskOf = new Map<string, string>();

  constructor(private readonly fleet: () => FleetClient) {}

  /** Quantised weights of an agreement's model, from the own access point. */
  weights(agreement: WorkingAgreement): Promise<Weights> {
    return this.#weights.get(agreement.id, async () => {
      const bytes = await collect(
        this.fleet().getWeights({ agreementDigest: agreement.digest }),
        weightLimit(agreement),
        "the model",
      );
      return decodeWeights(bytes, agreement.plan);
    });
  }

  /** D from the own access point's vault, its digest checked. */
  stored(agreement: WorkingAgreement, mask: NonNullable<WorkingAgreement["mask"]>): Promise<Buffer> {
    return this.#masked.get(this.maskKey(agreement, mask), async () => {
      const bytes = await collect(this.fleet().getMaskedWeights({ maskId: mask.id }), maskBytes(agreement.plan), "D");
      return checked(bytes, mask.digest);
    });
  }

  /** D at the data owner: own memory, else the vault, else the partner, from whom it is stored. */
  masked(
    agreement: WorkingAgreement,
    mask: NonNullable<WorkingAgreement["mask"]>,
    partner: () => AsyncIterable<{ chunk: Buffer }>,
  ): Promise<Buffer> {
    return this.#masked.get(this.maskKey(agreement, mask), async () => {
      try {
        return checked(
          await collect(this.fleet().getMaskedWeights({ maskId: mask.id }), maskBytes(agreement.plan), "D"),
          mask.digest,
        );
      } catch (error) {
        if (!(error instanceof ParleyError) || error.code !== Code.NOT_FOUND) throw error;
      }
      const bytes = checked(await collect(partner(), maskBytes(agreement.plan), "D"), mask.digest);
      await this.fleet().putMaskedWeights(pieces(mask.id, bytes));
      return bytes;
    });
  }

  private maskKey(agreement: WorkingAgreement, mask: NonNullable<WorkingAgreement["mask"]>): string {
    const key = mask.id.toString("hex");
    this.#maskOf.set(agreement.id, key);
    return key;
  }

  /** Forgets what belongs to an agreement that ended. */
  forget(agreementId: string): void {
    this.#weights.forget(agreementId);
    const maskId = this.#maskOf.get(agreementId);
    if (maskId) this.#masked.forget(maskId);
    this.#maskOf.delete(agreementId);
  }
}

function checked(bytes: Buffer, digest: Buffer): Buffer {
  if (createHash("sha256").update(bytes).digest().equals(digest)) return bytes;
  throw new ParleyError(
    Code.DATA_LOSS,
    "MASKED_WEIGHTS_DIGEST",
    "the masked weights D do not have the digest that was pinned",
    "Tell the partner: its worker sent something else.",
  );
}

const PIECE = 1 << 18;

function* pieces(maskId: Buffer, bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += PIECE)
    yield { maskId: at === 0 ? maskId : Buffer.alloc(0), chunk: bytes.subarray(at, at + PIECE) };
}
