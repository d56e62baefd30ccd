import { Client as RawClient } from "@grpc/grpc-js";
import { createAuthority, createKeyAndCsr, issueCertificate } from "@parley/agreement";
import { Code, ParleyError, identity, type ServiceClient } from "@parley/proto";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { testOrganisation, type TestOrganisation } from "../testing/certificates.js";
import { recordTelemetry } from "../testing/telemetry.js";
import { currentTrace, withTrace, continueTrace } from "../telemetry/trace.js";
import { CertificateHolder } from "../tls/certificate-holder.js";
import { mutualChannelCredentials, mutualServerCredentials } from "../tls/credentials.js";
import { TrustStore } from "../tls/trust-store.js";
import { connect } from "./connect.js";
import { implement } from "./implement.js";
import { RpcServer } from "./server.js";

type Client = ServiceClient<typeof identity.IdentityServiceService>;

/** As drizzle wraps what PostgreSQL says when it stops. */
const databaseEnded = () =>
  new Error("Failed query: select secret", {
    cause: Object.assign(new Error("terminating connection due to administrator command"), { code: "57P01" }),
  });
const unused = () => Promise.reject(new ParleyError(Code.UNIMPLEMENTED, "UNIMPLEMENTED", "not in this test"));

describe("RpcServer under mutual TLS", () => {
  let router: TestOrganisation;
  let clinic: TestOrganisation;
  let other: TestOrganisation;
  let address: string;
  let server: RpcServer;
  let seen: { peer?: string; traceId?: string };
  let begun = () => {};
  let answer: Promise<void> = Promise.resolve();
  const trust = new TrustStore();
  const clients: Client[] = [];

  const client = async (own: CertificateHolder, expected = "identity") => {
    const server = { org: "router", role: expected, bundle: () => router.bundle };
    const made = connect(identity.IdentityServiceService, { address, own, server });
    clients.push(made);
    return made;
  };
  const refusal = async (call: Promise<unknown>) =>
    call.then(
      () => "no error",
      (error: ParleyError) => `${Code[error.code]} ${error.reason}`,
    );

  beforeAll(async () => {
    [router, clinic, other] = await Promise.all(["router", "clinic-a", "clinic-b"].map(testOrganisation));
    for (const org of [router, clinic, other]) trust.setBundle(org.id, org.bundle);
    const binding = implement<identity.IdentityServiceServer>(
      identity.IdentityServiceService,
      {
        createEnrolmentToken: unused,
        getKeys: unused,
        listOrganisations: unused,
        updateEndpoints: unused,
        revokeOrganisation: unused,
        issueToken: async (_, { peer }) => {
          seen = { peer: `${peer?.org}/${peer?.role}`, traceId: currentTrace()?.traceId };
          return { token: "t", expires: undefined };
        },
        getOrganisation: async ({ organisationId }) => {
          if (organisationId === "no database") throw databaseEnded();
          if (organisationId !== "slow") throw new Error("holds a secret");
          begun();
          await answer;
          return { organisation: undefined };
        },
        watchOrganisations: async function* (_, { signal }) {
          yield { organisation: undefined, synchronised: true };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
      { all: { roles: ["access-point"] }, except: { getKeys: { roles: ["operator"], org: "router" } } },
    );
    const credentials = mutualServerCredentials(await router.certificate("identity"), trust);
    server = new RpcServer({ credentials, trust, bindings: [binding], logger: pino({ level: "silent" }) });
    address = `localhost:${await server.listen("127.0.0.1:0")}`;
  });
  afterAll(async () => {
    clients.forEach((c) => c.close());
    await server.close(200);
  });

  it("tells the handler who calls, and continues the caller's trace", async () => {
    const c = await client(await clinic.certificate("access-point"));
    const trace = continueTrace(undefined);
    await withTrace(trace, () => c.issueToken({}));
    expect(seen).toEqual({ peer: "clinic-a/access-point", traceId: trace.traceId });
  });

  it("records a span at both ends, the server's under the client's, and both durations", async () => {
    const c = await client(await clinic.certificate("access-point"));
    const telemetry = recordTelemetry();
    try {
      const trace = continueTrace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
      await withTrace(trace, () => c.issueToken({}));
      await withTrace(trace, () => refusal(c.getOrganisation({ organisationId: "x" })));
      const stream = withTrace(trace, () => c.watchOrganisations({})[Symbol.asyncIterator]());
      await stream.next();
      await stream.return?.();
      await vi.waitFor(() => expect(telemetry.spans).toHaveLength(6));

      const of = (kind: string, method: string) =>
        telemetry.spans.find((span) => span.kind === kind && span.name.endsWith(method))!;
      const name = "parley.identity.v1.IdentityService/IssueToken";
      const [sent, answered] = [of("client", name), of("server", name)];
      expect(sent).toMatchObject({ parentSpanId: trace.spanId, context: { traceId: trace.traceId }, failed: false });
      expect(answered).toMatchObject({
        parentSpanId: sent.context.spanId,
        context: { traceId: trace.traceId },
        attributes: { "rpc.method": name, "rpc.response.status_code": "OK", peer: "clinic-a/access-point" },
        failed: false,
      });
      for (const kind of ["client", "server"])
        expect(of(kind, "GetOrganisation")).toMatchObject({
          failed: true,
          attributes: { "rpc.response.status_code": "INTERNAL" },
        });
      expect(of("client", "WatchOrganisations").failed).toBe(false);
      const durations = await telemetry.metrics();
      for (const metric of ["rpc.client.call.duration", "rpc.server.call.duration"] as const)
        expect(durations.get(metric)?.map(({ attributes, count }) => [attributes["rpc.method"], count])).toContainEqual(
          [name, 1],
        );
    } finally {
      telemetry.end();
    }
  });

  it("refuses another role, and another organisation where one is named", async () => {
    const worker = await client(await clinic.certificate("worker"));
    expect(await refusal(worker.issueToken({}))).toBe("PERMISSION_DENIED ROLE_REFUSED");
    const operator = await client(await clinic.certificate("operator"));
    expect(await refusal(operator.getKeys({}))).toBe("PERMISSION_DENIED ROLE_REFUSED");
  });

  it("refuses a name of another organisation under a known authority", async () => {
    // An authority for the other name, signed as clinic-b would have to: the name says clinic-a, the key is clinic-b's.
    const forged = await createAuthority({ org: "clinic-a" });
    trust.setBundle("clinic-b", [...other.bundle, forged.certificateDer]);
    const { privateKeyPem, csrDer } = await createKeyAndCsr();
    const leaf = await issueCertificate(forged, {
      org: "clinic-a",
      role: "access-point",
      dnsNames: ["localhost"],
      csrDer,
      validHours: 1,
    });
    const c = await client(new CertificateHolder({ certificatePem: leaf.pem + forged.certificatePem, privateKeyPem }));
    expect(await refusal(c.issueToken({}))).toBe("UNAUTHENTICATED CERTIFICATE_REFUSED");
    trust.setBundle("clinic-b", other.bundle);
  });

  it("refuses an unknown authority in the handshake, and a server with another name", async () => {
    const stranger = await testOrganisation("stranger");
    const c = await client(await stranger.certificate("access-point"));
    expect(await refusal(c.issueToken({}))).toMatch(/^UNAVAILABLE/);
    const wrong = await client(await clinic.certificate("access-point"), "registry");
    expect(await refusal(wrong.issueToken({}))).toMatch(/^UNAVAILABLE/);
  });

  it("never tells what an unexpected error says", async () => {
    const c = await client(await clinic.certificate("access-point"));
    const error = await c.getOrganisation({ organisationId: "x" }).catch((e: ParleyError) => e);
    expect(error).toMatchObject({ code: Code.INTERNAL, message: "internal error" });
  });

  it("tells that its database is away, so that callers try again, and nothing of the statement", async () => {
    const c = await client(await clinic.certificate("access-point"));
    const call = c.getOrganisation({ organisationId: "no database" });
    await expect(call).rejects.toMatchObject({
      code: Code.UNAVAILABLE,
      reason: "DATABASE_UNAVAILABLE",
      message: "the database of this service is away",
    });
  });

  it("lists its services by reflection, in development", async () => {
    const own = await clinic.certificate("access-point");
    const credentials = mutualChannelCredentials(own, { org: "router", role: "identity", bundle: () => router.bundle });
    const { serialize, deserialize } = { serialize: (b: Buffer) => b, deserialize: (b: Buffer) => b };
    const raw = new RawClient(address, credentials);
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const stream = raw.makeBidiStreamRequest(path, serialize, deserialize);
    const answer = new Promise<Buffer>((resolve, reject) => stream.once("data", resolve).once("error", reject));
    stream.write(Buffer.from([0x3a, 1, 0x2a])); // list_services = "*"
    expect((await answer).toString("latin1")).toContain("parley.identity.v1.IdentityService");
    stream.end();
    raw.close();
  });

  it("ends the streams of an organisation whose bundle is removed, and refuses its calls on the open connection", async () => {
    const c = await client(await other.certificate("access-point"));
    const stream = c.watchOrganisations({})[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ synchronised: true });
    const ended = stream.next().then(
      (r) => (r.done ? "ended" : "goes on"),
      (e: ParleyError) => e.reason,
    );
    trust.removeBundle("clinic-b");
    expect(await ended).toMatch(/ended|CANCELLED/);
    expect(await refusal(c.issueToken({}))).toBe("UNAUTHENTICATED CERTIFICATE_REFUSED");
  });

  it("when it closes, sends those who watch elsewhere at once, and finishes the calls under way", async () => {
    const c = await client(await clinic.certificate("access-point"));
    const stream = c.watchOrganisations({})[Symbol.asyncIterator]();
    await stream.next();
    let finish = () => {};
    answer = new Promise((resolve) => (finish = resolve));
    const started = new Promise<void>((resolve) => (begun = resolve));
    const call = c.getOrganisation({ organisationId: "slow" });
    await started;
    const closed = server.close(20_000);
    expect(await refusal(stream.next())).toBe("UNAVAILABLE DRAINING");
    finish();
    expect(await call).toEqual({ organisation: undefined });
    await closed;
  });
});
