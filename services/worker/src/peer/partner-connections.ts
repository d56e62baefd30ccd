import { thumbprintOf, type CertificateHolder } from "@parley/service-kit";
import { randomInt } from "node:crypto";
import type { WorkingAgreement } from "../models/agreement.js";
import { Addresses, type Address } from "./addresses.js";
import { PartnerConnection, unreachable } from "./partner-connection.js";

/** Where else a session could be, and how many streams each place has. */
export interface Spread {
  /** Streams of this worker at each address that can be used. */
  readonly streams: ReadonlyMap<string, number>;
  /** Addresses that could not be used when the spread was last looked at. */
  readonly fresh: readonly string[];
}

/** Connections to partners' workers: one for each agreement, address and own certificate. */
export class PartnerConnections {
  readonly #open = new Map<string, PartnerConnection>();
  /** Streams by address, of all agreements. */
  readonly #streams = new Map<string, number>();
  /** Addresses that could be used when they were last looked at, by agreement. */
  readonly #seen = new Map<string, ReadonlySet<string>>();

  constructor(
    private readonly own: CertificateHolder,
    private readonly addresses = new Addresses(),
  ) {}

  /**
   * The connection for a new stream: to the address with the fewest. The caller releases it.
   * @throws ParleyError UNAVAILABLE where no endpoint's name leads anywhere
   */
  async take(agreement: WorkingAgreement): Promise<PartnerConnection> {
    const found = await this.addresses.of(agreement.peerEndpoints);
    const fewest = Math.min(...found.map(({ target }) => this.streamsAt(target)));
    const best = found.filter(({ target }) => this.streamsAt(target) === fewest);
    // Any of the equal ones: other workers of this organisation choose as well.
    const address = best[best.length > 1 ? randomInt(best.length) : 0];
    if (!address) throw unreachable(agreement, `under ${agreement.peerEndpoints.join(", ")}`);
    const connection = this.to(agreement, address);
    connection.hold();
    return connection;
  }

  /** Whether a stream could go elsewhere. */
  async hasOthers(agreement: WorkingAgreement, than: PartnerConnection): Promise<boolean> {
    return (await this.addresses.of(agreement.peerEndpoints)).some(({ target }) => target !== than.address.target);
  }

  /** Looks names up again where that is due; connections to addresses that are no more, and have no stream, close. */
  async spread(agreement: WorkingAgreement): Promise<Spread> {
    const found = await this.addresses.of(agreement.peerEndpoints);
    const targets = new Set(found.map(({ target }) => target));
    const seen = this.#seen.get(agreement.id);
    this.#seen.set(agreement.id, targets);
    for (const [key, open] of this.#open)
      if (key.startsWith(`${agreement.id} `) && open.streams === 0 && !targets.has(open.address.target)) {
        this.#open.delete(key);
        open.giveUp();
      }
    return {
      streams: new Map([...targets].map((target) => [target, this.streamsAt(target)])),
      fresh: seen ? [...targets].filter((target) => !seen.has(target)) : [],
    };
  }

  succeeded({ address }: PartnerConnection): void {
    this.addresses.succeeded(address);
  }

  /** A connection that failed: its address is not tried for a while, and if it is then, over a new connection. */
  failed(connection: PartnerConnection): void {
    if (!connection.given) this.addresses.failed(connection.address);
    this.discard(connection);
  }

  /** The next stream gets a new connection. */
  discard(connection: PartnerConnection): void {
    for (const [key, open] of this.#open) if (open === connection) this.#open.delete(key);
    connection.giveUp();
  }

  /** Those of an agreement that ended. */
  end(agreementId: string): void {
    this.#seen.delete(agreementId);
    for (const [key, open] of this.#open) if (key.startsWith(`${agreementId} `)) this.discard(open);
  }

  close(): void {
    for (const connection of [...this.#open.values()]) this.discard(connection);
  }

  /** Streams to partners' workers, of all agreements. */
  get streams(): number {
    return [...this.#streams.values()].reduce((sum, streams) => sum + streams, 0);
  }

  private streamsAt(target: string): number {
    return this.#streams.get(target) ?? 0;
  }

  private to(agreement: WorkingAgreement, address: Address): PartnerConnection {
    const { endpoint, target } = address;
    const key = `${agreement.id} ${endpoint} ${target}`;
    const known = this.#open.get(key);
    if (known?.ownCertificate.equals(thumbprintOf(this.own.leaf))) return known;
    known?.giveUp();
    const connection = new PartnerConnection(this.own, agreement, address, (change) => {
      const streams = this.streamsAt(target) + change;
      if (streams > 0) this.#streams.set(target, streams);
      else this.#streams.delete(target);
    });
    this.#open.set(key, connection);
    return connection;
  }
}
