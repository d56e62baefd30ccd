import { pinnedKeys, verifyAgreement } from "@parley/agreement";
import { decodeWeights, maskWeights } from "@parley/model";
import { parsePlan } from "@parley/plan";
import { Code, dealer, fromServiceError, type ServiceClient } from "@parley/proto";
import { connect, type Logger } from "@parley/service-kit";
import type { HeldAgreement } from "../store/agreements.js";
import { dateOf } from "../store/database.js";
import type { Vault } from "../store/vault.js";
import type { Changes } from "./changes.js";
import type { OwnOrganisation } from "./own-organisation.js";
import { precondition } from "./refusal.js";

/**
 * Makes D = W - U for every own model under an agreement in force: the dealer streams the mask U once, D is written as U
 * arrives, and U is erased piece by piece. A stream that breaks is a lost mask; the next try opens a new one.
 */
export class Masks {
  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly changes: Changes,
    private readonly logger: Logger,
  ) {}

  /** Opens the masks that are missing. @throws ParleyError where one could not be opened; the others are tried first */
  async openMissing(signal: AbortSignal): Promise<void> {
    let failure: unknown;
    for (const agreement of this.vault.agreements.current())
      if (agreement.party === 0 && agreement.maskId === undefined)
        try {
          await this.open(agreement, signal);
        } catch (error) {
          failure = error;
        }
    if (failure !== undefined) throw failure;
  }

  private async open(agreement: HeldAgreement, signal: AbortSignal) {
    const asset = this.vault.assets.get(agreement.assetId);
    if (!asset) throw precondition("ASSET_UNKNOWN", `the vault does not hold asset ${agreement.assetId}`);
    const plan = parsePlan(JSON.parse(agreement.plan.toString("utf8")));
    const weights = decodeWeights(await this.vault.files.read("weights", asset.id), plan);
    const client = this.dealerOf(agreement);
    try {
      const stream = client.openMask(
        { agreement: agreement.jws, plan: agreement.plan, commitment: Buffer.from(asset.commitment, "hex") },
        { signal },
      );
      let head: { id: string; nonce: string } | undefined;
      const pieces = async function* () {
        for await (const { maskId, nonce, chunk } of stream) {
          head ??= { id: maskId.toString("hex"), nonce: nonce.toString("hex") };
          if (chunk.length > 0) yield chunk;
        }
      };
      let digest = "";
      await this.vault.files.write(
        "masked",
        agreement.digest,
        maskWeights(plan, weights, erasing(pieces())),
        (sha256) => {
          digest = sha256.toString("hex");
        },
      );
      if (!head || head.id.length !== 64 || head.nonce.length !== 32)
        throw precondition("MASK_INCOMPLETE", `the dealer's mask for agreement ${agreement.id} has no id or nonce`);
      const mask = { ...head, digest };
      this.vault.database.transaction(() => {
        this.vault.agreements.setMask(agreement.digest, mask);
        this.vault.audit.append({
          action: "mask.opened",
          actor: this.own.id,
          subject: agreement.id,
          details: { mask: mask.id, digest },
        });
      });
      this.logger.info({ agreement: agreement.id, mask: mask.id }, "model masked");
      this.changes.emit("agreements");
    } finally {
      client.close();
    }
  }

  /** Tells the dealer which masks have ended with their agreements, so that it erases their keys; D goes with them. */
  async endFinished(): Promise<void> {
    for (const agreement of this.vault.agreements.withEndedMasks()) {
      const client = this.dealerOf(agreement);
      try {
        await client.endMask({ maskId: Buffer.from(agreement.maskId ?? "", "hex") });
      } catch (caught) {
        const error = fromServiceError(caught);
        if (![Code.NOT_FOUND, Code.FAILED_PRECONDITION].includes(error.code)) throw error; // ended already, or with its agreement
      } finally {
        client.close();
      }
      await this.vault.files.remove("masked", agreement.digest);
      this.vault.database.transaction(() => {
        this.vault.agreements.markMaskEnded(agreement.digest);
        this.vault.audit.append({ action: "mask.ended", actor: this.own.id, subject: agreement.id, details: {} });
      });
    }
  }

  /** The dealer that the agreement pins, at the address it gave when we enrolled there. */
  private dealerOf(agreement: HeldAgreement): ServiceClient<typeof dealer.DealerServiceService> {
    const { terms } = verifyAgreement(agreement.jws, { now: dateOf(agreement.notBefore) });
    const keys = pinnedKeys(terms.dealer);
    const address = this.vault.organisations.issuer("dealer")?.services.dealer;
    if (!address)
      throw precondition(
        "NO_DEALER",
        "this organisation is not enrolled at a dealer",
        "Run `parley org enrol --dealer TOKEN`.",
      );
    return connect(dealer.DealerServiceService, {
      address,
      own: this.own.certificate,
      server: { org: keys.org, role: "dealer", bundle: () => keys.bundle },
    });
  }
}

/** Erases each piece once the consumer has asked for the next. */
async function* erasing(pieces: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  for await (const piece of pieces) {
    yield piece;
    piece.fill(0);
  }
}
