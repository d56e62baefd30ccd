import { Code, ParleyError, type identity } from "@parley/proto";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { testOrganisation } from "../testing/certificates.js";
import { TrustStore } from "../tls/trust-store.js";
import { OrganisationDirectory } from "./directory.js";

describe("OrganisationDirectory", () => {
  it("follows identity, also after its stream has broken", async () => {
    const clinic = await testOrganisation("clinic-a");
    const organisation = {
      id: "clinic-a",
      bundle: clinic.bundle.map((b) => Buffer.from(b)),
      signingKey: Buffer.alloc(32),
      workerEndpoints: [],
      fingerprint: "",
      revoked: false,
    };
    let streams = 0;
    let revoke: () => void = () => {};
    const watchOrganisations = async function* (
      _: unknown,
      settings?: { signal?: AbortSignal },
    ): AsyncGenerator<identity.WatchOrganisationsResponse> {
      streams++;
      if (streams === 1) {
        yield { organisation, synchronised: true };
        throw new ParleyError(Code.UNAVAILABLE, "UNAVAILABLE", "identity restarts");
      }
      await new Promise<void>(
        (resolve) => ((revoke = resolve), settings?.signal?.addEventListener("abort", () => resolve())),
      );
      yield { organisation: { ...organisation, revoked: true }, synchronised: true };
    };
    const trust = new TrustStore();
    const client = { watchOrganisations } as unknown as ConstructorParameters<typeof OrganisationDirectory>[0];
    const directory = new OrganisationDirectory(client, trust, pino({ level: "silent" })).start();
    await directory.ready;
    expect(directory.get("clinic-a")?.id).toBe("clinic-a");
    expect(trust.bundleOf("clinic-a")).toHaveLength(1);
    while (streams < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(directory.get("clinic-a")).toBeDefined();
    revoke();
    while (directory.get("clinic-a")) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(trust.bundleOf("clinic-a")).toBeUndefined();
    directory.close();
  });
});
