import { credentials } from "@grpc/grpc-js";
import { createClient, member, type ServiceClient } from "@parley/proto";
import { Agreements } from "./agreements.js";
import { Asset, publish, type PublishOptions } from "./asset.js";
import { Job, type JobOptions } from "./job.js";
import { Organisations } from "./organisations.js";
import { allPages } from "./pages.js";
import { loadProfile, type Profile } from "./profile.js";
import { callersTraceparent } from "./trace.js";

export type MemberClient = ServiceClient<typeof member.MemberServiceService>;

/** Messages of results and models may be large; pieces are at most 1 MiB. */
const MAX_MESSAGE = 16 * 1024 * 1024;

/**
 * Your organisation's Parley: one connection to your own access point.
 *
 * ```ts
 * const parley = Parley.connect();
 * const asset = await parley.asset("mdl_...");
 * const job = parley.createJob({ name: "ward 3", operation: "predict", asset, dataset, params: { security: "smpc" } });
 * await job.submit();
 * if (job.success) console.log(job.result.values);
 * parley.close();
 * ```
 */
export class Parley {
  readonly organisations: Organisations;
  readonly agreements: Agreements;

  private constructor(
    /** The generated member API, for what this class does not wrap. */
    readonly client: MemberClient,
    /** host:port of the access point. */
    readonly address: string,
  ) {
    this.organisations = new Organisations(client);
    this.agreements = new Agreements(client);
  }

  /** Connects with a profile, by name or as given; without one as `loadProfile` chooses. No call is made yet. */
  static connect(profile?: string | Profile): Parley {
    const { address, ca, apiKey } = typeof profile === "object" ? profile : loadProfile(profile);
    const client = createClient(member.MemberServiceService, {
      address,
      credentials: credentials.createSsl(Buffer.from(ca)),
      options: { "grpc.max_receive_message_length": MAX_MESSAGE, "grpc.max_send_message_length": MAX_MESSAGE },
      metadata: () => {
        const traceparent = callersTraceparent();
        return { authorization: `Bearer ${apiKey}`, ...(traceparent && { traceparent }) };
      },
    });
    return new Parley(client, address);
  }

  /** Who this connection acts as. */
  whoAmI() {
    return this.client.whoAmI({});
  }

  /** One model, with its plan. @throws ParleyError NOT_FOUND */
  async asset(id: string): Promise<Asset> {
    const { asset } = await this.client.getAsset({ assetId: id });
    return Asset.from(asset);
  }

  /** Models that this organisation may see, newest first, without their plans. */
  async assets(query: { organisation?: string; text?: string } = {}): Promise<Asset[]> {
    const { organisation: organisationId = "", text = "" } = query;
    const found = await allPages(async (page) => {
      const { assets, nextToken } = await this.client.listAssets({ organisationId, query: text, page });
      return { items: assets, nextToken };
    });
    return found.map((asset) => Asset.from(asset));
  }

  /** Publishes an ONNX model; the weights stay in your own access point. */
  publish(options: PublishOptions) {
    return publish(this.client, options);
  }

  /** A job to be submitted. Nothing is sent yet. */
  createJob(options: JobOptions): Job {
    return Job.create(this.client, options);
  }

  /** A job that was submitted before. @throws ParleyError NOT_FOUND */
  job(id: string): Promise<Job> {
    return Job.open(this.client, id);
  }

  /** Jobs of this organisation, newest first. */
  async jobs(): Promise<Job[]> {
    const found = await allPages(async (page) => {
      const { jobs, nextToken } = await this.client.listJobs({ state: 0, page });
      return { items: jobs, nextToken };
    });
    return found.map((job) => Job.known(this.client, job));
  }

  close() {
    this.client.close();
  }
}
