import { randomBytes } from "node:crypto";
import type { Ledger } from "../store/ledger.js";
import type { Sealing } from "./sealing.js";

const REUSE_MS = 60_000;

/** Period keys: drawn every hour; the present one is remembered for a minute so that a batch costs one query. */
export class PeriodKeys {
  #current: { id: Buffer; until: number } | undefined;

  constructor(
    private readonly ledger: Ledger,
    private readonly sealing: Sealing,
  ) {}

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
