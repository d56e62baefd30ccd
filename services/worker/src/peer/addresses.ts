import { lookup } from "node:dns/promises";
import { isIP } from "node:net";

/** All addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly string[]>;

export const lookUpAll: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

/** A place where one worker of a partner is reached. */
export interface Address {
  /** host:port as the partner published it; its certificate is for that name. */
  readonly endpoint: string;
  /** The same with an address for the name: what is connected to. */
  readonly dial: string;
  /** The place's name: `dial`, with a number where one address stands for several workers. */
  readonly target: string;
}

interface Known {
  readonly list: readonly Address[];
  readonly at: number;
}

/** How long an address that failed is not tried, doubled with each failure up to the longest. */
const SKIP_MS = 3_000;
const LONGEST_SKIP_MS = 30_000;
/** A failure makes a name's addresses doubtful: they are looked up again, though no more often than this. */
const SOON_MS = 250;
/** Names in one partner's endpoints that lead to more addresses than this are not followed further. */
const MOST = 256;

export const hostOf = (endpoint: string): string =>
  endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
const withHost = (endpoint: string, address: string): string =>
  `${isIP(address) === 6 ? `[${address}]` : address}${endpoint.slice(endpoint.lastIndexOf(":"))}`;

/** Where endpoints lead now: a name may stand for many workers, which come and go. */
export class Addresses {
  readonly #known = new Map<string, Known>();
  readonly #looking = new Map<string, Promise<readonly Address[]>>();
  readonly #failed = new Map<string, { until: number; wait: number }>();
  #failedAt = -Infinity;

  /**
   * @param everyMs how old an answer may be, milliseconds
   * @param lanes places behind a name that leads to a single address: a gateway or a load balancer may lead each connection elsewhere
   */
  constructor(
    private readonly resolve: Resolve = lookUpAll,
    private readonly everyMs = 3_000,
    private readonly lanes = 1,
  ) {}

  /** Those to try, one entry per address: the ones that did not fail lately, else all. Empty where no name is known. */
  async of(endpoints: readonly string[]): Promise<Address[]> {
    const lists = await Promise.all(endpoints.map((endpoint) => this.look(endpoint)));
    const good = lists.flatMap((list) => this.usable(list));
    const found = good.length > 0 ? good : this.leastFailed(lists.flat());
    return [...new Map(found.map((address) => [address.target, address])).values()].slice(0, MOST);
  }

  failed({ target }: Address): void {
    const before = this.#failed.get(target)?.wait ?? SKIP_MS / 2;
    const wait = Math.min(2 * before, LONGEST_SKIP_MS);
    this.#failed.set(target, { until: performance.now() + wait, wait });
    this.#failedAt = performance.now();
  }

  succeeded({ target }: Address): void {
    this.#failed.delete(target);
  }

  /** Where all failed: those that did so least often in a row. */
  private leastFailed(list: readonly Address[]): Address[] {
    const waitOf = ({ target }: Address) => this.#failed.get(target)?.wait ?? 0;
    const least = Math.min(...list.map(waitOf));
    return list.filter((address) => waitOf(address) === least);
  }

  /** Of both kinds of a host's addresses, IPv4 and IPv6, those that its resolver put first: the others lead to the same workers. */
  private usable(list: readonly Address[]): readonly Address[] {
    const now = performance.now();
    const good = list.filter(({ target }) => (this.#failed.get(target)?.until ?? 0) <= now);
    const kind = (address?: Address) => address?.target.startsWith("[");
    const first = good.filter((address) => kind(address) === kind(list[0]));
    return first.length > 0 ? first : good;
  }

  private places(endpoint: string, dials: readonly string[]): readonly Address[] {
    const lanes = dials.length === 1 ? this.lanes : 1;
    return dials.flatMap((dial) =>
      Array.from({ length: lanes }, (_, lane) => ({ endpoint, dial, target: lane === 0 ? dial : `${dial} ${lane}` })),
    );
  }

  private look(endpoint: string): Promise<readonly Address[]> {
    const host = hostOf(endpoint);
    if (isIP(host)) return Promise.resolve(this.places(endpoint, [endpoint]));
    const known = this.#known.get(endpoint);
    const freshFor = known && known.at < this.#failedAt ? SOON_MS : this.everyMs;
    if (known && performance.now() - known.at < freshFor) return Promise.resolve(known.list);
    const looking = this.#looking.get(endpoint) ?? this.ask(endpoint, host, known?.list ?? []);
    this.#looking.set(endpoint, looking);
    return looking;
  }

  /** A name that is not answered for leads where it led before. */
  private async ask(endpoint: string, host: string, before: readonly Address[]): Promise<readonly Address[]> {
    try {
      const found = [...new Set(await this.resolve(host))].slice(0, MOST);
      const list = this.places(
        endpoint,
        found.map((address) => withHost(endpoint, address)),
      );
      this.#known.set(endpoint, { list, at: performance.now() });
      return list;
    } catch {
      this.#known.set(endpoint, { list: before, at: performance.now() });
      return before;
    } finally {
      this.#looking.delete(endpoint);
    }
  }
}
