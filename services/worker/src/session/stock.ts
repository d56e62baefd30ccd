import { Code, ParleyError, type fleet } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import type { AgreementSet } from "../models/agreement-set.js";
import type { FleetLink } from "../fleet/fleet-link.js";
import { ClientParty, type ClientPartyDependencies } from "./client-party.js";

interface Target {
  readonly id: string;
  readonly records: number;
  readonly sessions: number;
}

const key = (id: string, records: number) => `${id}/${records}`;
const LONGEST_WAIT_MS = 30_000;

/** Prepared sessions of a data owner's worker, kept as many as its access point asks for. One is prepared at a time. */
export class Stock {
  readonly #ready = new Map<string, ClientParty[]>();
  readonly #notBefore = new Map<string, { at: number; wait: number }>();
  readonly #idle = new Map<ClientParty, NodeJS.Timeout>();
  #targets: Target[] = [];
  #filling = false;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  #endpoint = 0;

  constructor(
    private readonly d: ClientPartyDependencies,
    private readonly agreements: AgreementSet,
    private readonly link: FleetLink,
    private readonly logger: Logger,
  ) {
    agreements.onEnd((id) => this.drop((party) => party.agreement.id === id));
  }

  aim(target: fleet.StockTarget): void {
    this.#targets = target.entries.map((e) => ({
      id: e.agreementDigest.toString("hex"),
      records: e.records,
      sessions: e.sessions,
    }));
    for (const [at, parties] of this.#ready) {
      for (const party of parties.splice(this.wanted(at))) party.close();
    }
    void this.fill();
  }

  private wanted(at: string): number {
    return this.#targets.find((t) => key(t.id, t.records) === at)?.sessions ?? 0;
  }

  /** A prepared session for a run: from stock, else prepared now. @throws ParleyError */
  async take(id: string, records: number): Promise<{ party: ClientParty; fromStock: boolean }> {
    const parties = this.#ready.get(key(id, records)) ?? [];
    for (let party = parties.shift(); party; party = parties.shift()) {
      this.stopIdle(party);
      if (party.usable) return { party, fromStock: true };
    }
    return { party: await this.prepare(id, records), fromStock: false };
  }

  /** Makes up for what was taken. Called when a run has ended: preparing would take the cores that a run needs. */
  replenish(): void {
    void this.fill();
  }

  /** Prepares one session now. @throws ParleyError */
  async prepare(id: string, records: number): Promise<ClientParty> {
    const agreement = this.agreements.get(id);
    if (!agreement || agreement.party !== 1)
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "NO_AGREEMENT",
        "the agreement is not active any more",
        "Make a new agreement.",
      );
    const endpoints = agreement.peerEndpoints;
    if (!endpoints.length)
      throw new ParleyError(
        Code.UNAVAILABLE,
        "PEER_UNREACHABLE",
        `${agreement.partner.org} has published no worker`,
        "Ask the partner to start its workers.",
      );
    let last: unknown;
    for (let i = 0; i < endpoints.length; i++)
      try {
        return await ClientParty.prepare(this.d, agreement, records, endpoints[this.#endpoint++ % endpoints.length]);
      } catch (error) {
        last = error;
        if (!(error instanceof ParleyError) || error.code !== Code.UNAVAILABLE) break;
      }
    throw last;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.drop(() => true);
  }

  private drop(which: (party: ClientParty) => boolean) {
    for (const [at, parties] of this.#ready) {
      for (const party of parties.filter(which)) party.close();
      this.#ready.set(
        at,
        parties.filter((party) => !which(party)),
      );
    }
  }

  private async fill() {
    if (this.#filling || this.#closed) return;
    this.#filling = true;
    try {
      for (let next = this.missing(); next && !this.#closed; next = this.missing()) {
        await this.quiet();
        await this.add(next);
      }
    } finally {
      this.#filling = false;
      this.report();
    }
  }

  private missing(): Target | undefined {
    const now = Date.now();
    return this.#targets.find((t) => {
      const at = key(t.id, t.records);
      const wait = this.#notBefore.get(at);
      return (this.#ready.get(at)?.length ?? 0) < t.sessions && this.agreements.get(t.id) && !(wait && wait.at > now);
    });
  }

  /** Online work goes first: a preparation waits for a moment without any, though not for ever. */
  private async quiet() {
    for (let i = 0; i < 50 && this.d.poller.active && !this.#closed; i++)
      await new Promise((resolve) => setTimeout(resolve, 2));
  }

  private async add({ id, records }: Target) {
    const at = key(id, records);
    try {
      const party = await this.prepare(id, records);
      this.#notBefore.delete(at);
      // Fewer may be wanted than when its preparation began.
      const wanted = this.#closed || !this.agreements.get(id) ? 0 : this.wanted(at);
      if ((this.#ready.get(at)?.length ?? 0) >= wanted) return party.close();
      this.#ready.set(at, [...(this.#ready.get(at) ?? []), party]);
      this.#idle.set(party, setTimeout(() => party.close(), this.d.idleMs).unref());
      party.onEnd = () => this.forget(at, party);
    } catch (error) {
      const wait = Math.min((this.#notBefore.get(at)?.wait ?? 250) * 2, LONGEST_WAIT_MS);
      this.#notBefore.set(at, { at: Date.now() + wait, wait });
      this.#retry = setTimeout(() => void this.fill(), wait + 10).unref();
      const reason = error instanceof ParleyError ? error.reason : "INTERNAL";
      this.logger.info({ reason, agreement: id, records }, "a session could not be prepared, trying again");
    }
  }

  private forget(at: string, party: ClientParty) {
    this.stopIdle(party);
    const left = (this.#ready.get(at) ?? []).filter((p) => p !== party);
    if (left.length === this.#ready.get(at)?.length) return;
    this.#ready.set(at, left);
    void this.fill();
  }

  private stopIdle(party: ClientParty) {
    clearTimeout(this.#idle.get(party));
    this.#idle.delete(party);
  }

  private report() {
    const entries = [...this.#ready.entries()].map(([at, parties]) => {
      const [id, records] = at.split("/");
      return { agreementDigest: Buffer.from(id, "hex"), records: Number(records), sessions: parties.length };
    });
    this.link.tell({ $case: "stock", value: { entries } });
  }
}
