import type { common } from "@parley/proto";
import type { Logger, TrustStore } from "@parley/service-kit";
import type { OrganisationStore } from "../store/organisation-store.js";
import type { OrganisationFeed } from "./organisation-feed.js";

const PAGE = 500;
const stateOf = ({ bundle, signingKey, workerEndpoints, revoked }: common.Organisation) =>
  JSON.stringify([bundle.map((der) => der.toString("hex")), signingKey.toString("hex"), workerEndpoints, revoked]);

/** Takes what other replicas changed: whom they enrolled is admitted here as well, whom they revoked is not, and watchers hear of it. */
export class OrganisationFollower {
  readonly #known = new Map<string, string>();
  #digest = "";
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: Pick<OrganisationStore, "list" | "digest">,
    private readonly trust: Pick<TrustStore, "setBundle" | "removeBundle">,
    private readonly feed: Pick<OrganisationFeed, "publish">,
    private readonly logger: Logger,
  ) {}

  /** Reads all organisations once, and again after every change, which is looked for every `everyMs`; never where it is 0. */
  async start(everyMs: number): Promise<this> {
    await this.read();
    if (everyMs > 0)
      this.#timer = setInterval(() => {
        this.#reading = this.#reading.then(() =>
          this.read().catch((error: unknown) =>
            this.logger.warn({ err: error }, "organisations could not be read, trying again"),
          ),
        );
      }, everyMs).unref();
    return this;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reading;
  }

  private async read(): Promise<void> {
    const digest = await this.store.digest();
    if (digest === this.#digest) return;
    for (let after = ""; ;) {
      const page = await this.store.list(after, PAGE);
      page.forEach((organisation) => this.take(organisation));
      if (page.length < PAGE) break;
      after = page[page.length - 1].id;
    }
    this.#digest = digest; // of before the reading: what changed meanwhile is read again
  }

  private take(organisation: common.Organisation) {
    const { id, bundle, revoked } = organisation;
    const state = stateOf(organisation);
    if (this.#known.get(id) === state) return;
    this.#known.set(id, state);
    if (revoked) this.trust.removeBundle(id);
    else this.trust.setBundle(id, bundle);
    this.feed.publish(organisation);
  }
}
