import { randomBytes } from "node:crypto";
import type { Ledger } from "../store/ledger.js";
import type { Sealing } from "./sealing.js";

/** So long a replica may draw from a key that another one has voided: those batches are refused. */
const REUSE_MS = 5_000;

/** Period keys: drawn every hour; the present one is remembered for seconds so that a batch costs one query. */
export class PeriodKeys {
  #current: { id: Buffer; until: number } | undefined;

  constructor(
    private readonly ledger: Ledger,
    private readonly sealing: Sealing,
  ) {}

  /** Asks for the present one again: the known one may have been voided. */
  forget(): void {
    this.#current = undefined;
  }

  async currentId(): Promise<Buffer> {
    if (this.#current && this.#current.until > Date.now()) return this.#current.id;
    const { id } = await this.ledger.currentPeriod((under) => {
      const id = randomBytes(16);
      return { id, sealed: this.sealing.seal(randomBytes(32), periodName(id), under) };
    });
    this.#current = { id, until: Date.now() + REUSE_MS };
    return id;
  }
}

export const periodName = (id: Uint8Array): Buffer => Buffer.concat([Buffer.from("parley/v1/period-key"), id]);
export const maskName = (id: Uint8Array): Buffer => Buffer.concat([Buffer.from("parley/v1/mask-key"), id]);
