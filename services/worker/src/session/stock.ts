import { Code, ParleyError, type fleet } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import type { AgreementSet } from "../models/agreement-set.js";
import type { FleetLink } from "../fleet/fleet-link.js";
import type { WorkingAgreement } from "../models/agreement.js";
import { moves } from "./balance.js";
import { ClientParty, type ClientPartyDependencies } from "./client-party.js";

interface Target {
  readonly id: string;
  readonly records: number;
  readonly sessions: number;
}

const key = (id: string, records: number) => `${id}/${records}`;
const LONGEST_WAIT_MS = 30_000;

/** How long workers of the partner are tried, one after the other; and how long an address has where there are others. */
const PATIENCE_MS = 5_000;
const CONNECT_MS = 2_000;
const PAUSE_MS = 250;

/** Sessions that are prepared at the same time: while one waits for the dealer or the partner, another computes. */
const AT_ONCE = 3;

/** Prepared sessions of a data owner's worker, kept as many as its access point asks for. */
export class Stock {
  readonly #ready = new Map<string, ClientParty[]>();
  readonly #notBefore = new Map<string, { at: number; wait: number }>();
  readonly #idle = new Map<ClientParty, NodeJS.Timeout>();
  /** Streams whose run is over, to be prepared again. */
  readonly #resting = new Map<string, ClientParty[]>();
  /** Preparations under way. */
  readonly #preparing = new Map<string, number>();
  #targets: Target[] = [];
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  #isBalancing = false;
  readonly #balance: NodeJS.Timeout;

  constructor(
    private readonly d: ClientPartyDependencies,
    private readonly agreements: AgreementSet,
    private readonly link: FleetLink,
    private readonly logger: Logger,
    /** How often it is looked where the sessions are, milliseconds. */
    balanceMs = 3_000,
  ) {
    this.#balance = setInterval(() => {
      if (this.#isBalancing) return;
      this.#isBalancing = true;
      this.balance()
        .catch((error: unknown) => this.logger.warn({ err: error }, "sessions could not be spread, trying again"))
        .finally(() => (this.#isBalancing = false));
    }, balanceMs).unref();
    agreements.onEnd((id) => this.drop((party) => party.agreement.id === id));
  }

  aim(target: fleet.StockTarget): void {
    this.#targets = target.entries.map((e) => ({
      id: e.agreementDigest.toString("hex"),
      records: e.records,
      sessions: e.sessions,
    }));
    for (const held of [this.#ready, this.#resting])
      for (const [at, parties] of held) for (const party of parties.splice(this.wanted(at))) party.close();
    this.fill();
    this.report();
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
    return { party: await this.next(id, records), fromStock: false };
  }

  /** A stream whose run has ended well: it is prepared for the next one, where that is wanted. */
  giveBack(party: ClientParty): void {
    const at = key(party.agreement.id, party.records);
    const held = (this.#ready.get(at)?.length ?? 0) + (this.#resting.get(at)?.length ?? 0);
    if (!party.usable || this.#closed || held >= this.wanted(at)) return party.close();
    this.#resting.set(at, [...(this.#resting.get(at) ?? []), party]);
    party.onEnd = () => this.forget(at, party);
  }

  /** Makes up for what was taken. Called when a run has ended: preparing would take the cores that a run needs. */
  replenish(): void {
    this.fill();
  }

  /** Prepares one session now, with the worker of the partner that has the fewest of ours. @throws ParleyError */
  async prepare(id: string, records: number): Promise<ClientParty> {
    const { connections } = this.d;
    for (const until = performance.now() + PATIENCE_MS; ;) {
      const agreement = this.require(id);
      const connection = await connections.take(agreement);
      const connectMs = (await connections.hasOthers(agreement, connection)) ? CONNECT_MS : PATIENCE_MS;
      try {
        return await ClientParty.prepare(this.d, agreement, records, connection, connectMs);
      } catch (error) {
        const isOfWorker = connection.given && error instanceof ParleyError && error.code === Code.UNAVAILABLE;
        if (!isOfWorker || performance.now() > until) throw error;
        // Others at once; where there are none, new ones may be starting.
        if (!(await connections.hasOthers(agreement, connection)))
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  /** @throws ParleyError where there is no such agreement, or nobody to call */
  private require(id: string): WorkingAgreement {
    const agreement = this.agreements.get(id);
    if (!agreement || agreement.party !== 1)
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "NO_AGREEMENT",
        "the agreement is not active any more",
        "Make a new agreement.",
      );
    if (!agreement.peerEndpoints.length)
      throw new ParleyError(
        Code.UNAVAILABLE,
        "PEER_UNREACHABLE",
        `${agreement.partner.org} has published no worker`,
        "Ask the partner to start its workers.",
      );
    return agreement;
  }

  /** Batches that wait for a run, by agreement: prepared, or drawn on a stream that is here. */
  get held(): ReadonlyMap<string, number> {
    const held = new Map(this.#targets.map(({ id }) => [id, 0]));
    const add = (id: string, batches: number) => held.set(id, (held.get(id) ?? 0) + batches);
    for (const party of [...this.#ready.values()].flat()) add(party.agreement.id, 1 + party.drawn);
    for (const party of [...this.#resting.values()].flat()) add(party.agreement.id, party.drawn);
    return held;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#balance);
    this.drop(() => true);
  }

  private drop(which: (party: ClientParty) => boolean) {
    for (const held of [this.#ready, this.#resting])
      for (const [at, parties] of held) {
        held.set(
          at,
          parties.filter((party) => !which(party)),
        );
        for (const party of parties.filter(which)) party.close();
      }
  }

  private fill() {
    for (let next = this.missing(); next; next = this.missing()) void this.prepareOne(next);
  }

  private async prepareOne(target: Target) {
    const at = key(target.id, target.records);
    this.#preparing.set(at, (this.#preparing.get(at) ?? 0) + 1);
    try {
      await this.quiet();
      if (!this.#closed) await this.add(target);
    } finally {
      this.#preparing.set(at, (this.#preparing.get(at) ?? 1) - 1);
      this.report();
      this.fill();
    }
  }

  private missing(): Target | undefined {
    if (this.#closed || [...this.#preparing.values()].reduce((a, b) => a + b, 0) >= AT_ONCE) return undefined;
    const now = Date.now();
    return this.#targets.find((t) => {
      const at = key(t.id, t.records);
      const wait = this.#notBefore.get(at);
      const held = (this.#ready.get(at)?.length ?? 0) + (this.#preparing.get(at) ?? 0);
      return held < t.sessions && this.agreements.get(t.id) && !(wait && wait.at > now);
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
      const party = await this.next(id, records);
      this.#notBefore.delete(at);
      // Fewer may be wanted than when its preparation began.
      const wanted = this.#closed || !this.agreements.get(id) ? 0 : this.wanted(at);
      if ((this.#ready.get(at)?.length ?? 0) >= wanted) return party.close();
      this.keep(at, party);
    } catch (error) {
      const wait = Math.min((this.#notBefore.get(at)?.wait ?? 250) * 2, LONGEST_WAIT_MS);
      this.#notBefore.set(at, { at: Date.now() + wait, wait });
      this.#retry = setTimeout(() => this.fill(), wait + 10).unref();
      const reason = error instanceof ParleyError ? error.reason : "INTERNAL";
      this.logger.info({ reason, agreement: id, records }, "a session could not be prepared, trying again");
    }
  }

  private keep(at: string, party: ClientParty) {
    this.#ready.set(at, [...(this.#ready.get(at) ?? []), party]);
    this.#idle.set(party, setTimeout(() => party.close(), this.d.idleMs).unref());
    party.onEnd = () => this.forget(at, party);
  }

  /** Sessions leave workers of the partner that have many of them for others, above all for those that are new. */
  private async balance() {
    const held = () => [...this.#ready.values()].flat();
    for (const id of new Set(held().map(({ agreement }) => agreement.id))) {
      const agreement = this.agreements.get(id);
      if (!agreement) continue;
      for (const target of moves(await this.d.connections.spread(agreement))) {
        const party = held().find((p) => p.agreement.id === id && p.target === target);
        if (party && !this.#closed) await this.replace(party);
      }
    }
  }

  /** The new session is there before the old one is given up: no run has to wait, and where there is no place for it nothing changes. */
  private async replace(old: ClientParty) {
    const { id } = old.agreement;
    const at = key(id, old.records);
    this.#preparing.set(at, (this.#preparing.get(at) ?? 0) + 1);
    try {
      await this.quiet();
      const party = await this.prepare(id, old.records);
      if (this.#closed || party.target === old.target || this.wanted(at) === 0) return party.close();
      this.keep(at, party);
      // Where a run took it meanwhile, there is one too many until one comes back from its run.
      if (this.#ready.get(at)?.includes(old)) old.close();
    } catch (error) {
      const reason = error instanceof ParleyError ? error.reason : "INTERNAL";
      this.logger.debug({ reason, agreement: id }, "a session stays where it is");
    } finally {
      this.#preparing.set(at, (this.#preparing.get(at) ?? 1) - 1);
      this.report();
    }
  }

  /** A stream that rests, prepared again; else a new one. */
  private async next(id: string, records: number): Promise<ClientParty> {
    // Asked for anew each time: while one is prepared, others come and go.
    const shift = () => this.#resting.get(key(id, records))?.shift();
    for (let party = shift(); party; party = shift())
      if (party.usable)
        try {
          await party.prepareNext();
          return party;
        } catch (error) {
          // Its worker has gone, or stops: another stream will do.
          if (!(error instanceof ParleyError) || error.code !== Code.UNAVAILABLE) throw error;
        }
    return this.prepare(id, records);
  }

  private forget(at: string, party: ClientParty) {
    this.stopIdle(party);
    for (const held of [this.#ready, this.#resting]) {
      const left = (held.get(at) ?? []).filter((p) => p !== party);
      if (left.length === (held.get(at)?.length ?? 0)) continue;
      held.set(at, left);
      this.fill();
    }
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
