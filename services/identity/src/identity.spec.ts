import {
  createAuthority,
  createKeyAndCsr,
  enrolmentProof,
  fetchIssuerAuthority,
  generateSigningKey,
  issueCertificate,
  parseOneTimeToken,
  secretHashOf,
} from "@parley/agreement";
import { Code, ParleyError, enrolment, identity, type ServiceClient, type common } from "@parley/proto";
import {
  CertificateHolder,
  TokenVerifier,
  connect,
  createLogger,
  pinnedChannelCredentials,
  thumbprintOf,
  type RunningService,
} from "@parley/service-kit";
import {
  DATABASE_KINDS,
  testDatabase,
  testOrganisation,
  type TestDatabase,
  type TestOrganisation,
} from "@parley/service-kit/testing";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "./config.js";
import { startIdentity } from "./service.js";

type Client = ServiceClient<typeof identity.IdentityServiceService>;

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: ParleyError) => `${Code[error.code]} ${error.reason}`,
  );

describe.each(DATABASE_KINDS)("identity on %s", (kind) => {
  let target: TestDatabase | undefined;
  let router: TestOrganisation;
  let clinic: TestOrganisation;
  let service: RunningService;
  let operator: Client;
  let environment: Record<string, string>;
  const closing: { close(): void }[] = [];
  const key = generateSigningKey();

  const client = async (own: CertificateHolder, address = service.addresses.mtls): Promise<Client> => {
    const made = connect(identity.IdentityServiceService, {
      address,
      own,
      server: { org: "router", role: "identity", bundle: () => router.bundle },
    });
    closing.push(made);
    return made;
  };
  const organisation = (id: string, bundle: readonly Uint8Array[]): common.Organisation => ({
    id,
    bundle: bundle.map((b) => Buffer.from(b)),
    signingKey: Buffer.from(key.publicKey),
    workerEndpoints: ["localhost:1"],
    fingerprint: "",
    revoked: false,
  });
  const enrol = async (token: string, organisation: common.Organisation) => {
    const parsed = parseOneTimeToken(token);
    const authority = await fetchIssuerAuthority(parsed);
    const first = connect(enrolment.EnrolmentServiceService, {
      address: parsed.address,
      credentials: pinnedChannelCredentials(authority),
    });
    const proof = Buffer.from(enrolmentProof(key.privateKeyPem, secretHashOf(parsed.secret), organisation.id));
    return first.enrol({ secret: parsed.secret, organisation, proof }).finally(() => first.close());
  };

  beforeAll(async () => {
    target = await testDatabase(kind);
    if (!target) return;
    [router, clinic] = await Promise.all([testOrganisation("router"), testOrganisation("clinic-a")]);
    const file = (name: string, text: string) => {
      const path = join(target?.dataDir ?? "", name);
      writeFileSync(path, text);
      return path;
    };
    const { certificatePem, privateKeyPem } = (await router.certificate("identity")).current;
    environment = {
      PARLEY_LISTEN: "127.0.0.1:0",
      PARLEY_ENROL_LISTEN: "127.0.0.1:0",
      PARLEY_HEALTH_LISTEN: "127.0.0.1:0",
      PARLEY_DATA_DIR: target.dataDir,
      ...(target.url && { DATABASE_URL: target.url }),
      PARLEY_TLS_CERT: file("cert.pem", certificatePem),
      PARLEY_TLS_KEY: file("key.pem", privateKeyPem),
      PARLEY_TLS_CA: file("ca.pem", router.authority.certificatePem),
      PARLEY_SERVICE_ADDRESSES: "registry=localhost:5",
    };
    service = await startIdentity(readConfig(environment), createLogger("identity", "error"));
    operator = await client(await router.certificate("operator"));
  });
  afterAll(async () => {
    closing.forEach((c) => c.close());
    await service?.close();
    await target?.remove();
  });

  it("enrols an organisation once per token, and then admits its certificate", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { token } = await operator.createEnrolmentToken({ organisationId: "clinic-a", validSeconds: 60 });
    expect(await refusal(enrol(token, organisation("clinic-b", clinic.bundle)))).toBe(
      "PERMISSION_DENIED ENROLMENT_TOKEN_REFUSED",
    );
    expect(await refusal(enrol(token, organisation("router", clinic.bundle)))).toBe(
      "INVALID_ARGUMENT ENROLMENT_INVALID",
    );
    const answer = await enrol(token, organisation("clinic-a", clinic.bundle));
    expect(answer.organisation?.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(answer.issuer?.id).toBe("router");
    expect(answer.services).toMatchObject({ identity: service.addresses.mtls, registry: "localhost:5" });
    expect(await refusal(enrol(token, organisation("clinic-a", clinic.bundle)))).toBe(
      "PERMISSION_DENIED ENROLMENT_TOKEN_REFUSED",
    );
    const own = await client(await clinic.certificate("access-point"));
    expect((await own.getOrganisation({ organisationId: "clinic-a" })).organisation?.workerEndpoints).toEqual([
      "localhost:1",
    ]);
    expect((await own.updateEndpoints({ workerEndpoints: ["localhost:2"] })).organisation?.workerEndpoints).toEqual([
      "localhost:2",
    ]);
    expect(await refusal(own.getOrganisation({ organisationId: "nobody" }))).toBe("NOT_FOUND ORGANISATION_NOT_FOUND");
  });

  it("refuses an enrolment without possession of the signing key, and an expired token", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const { token } = await operator.createEnrolmentToken({ organisationId: "clinic-c", validSeconds: 60 });
    const stolen = {
      ...organisation("clinic-c", clinic.bundle),
      signingKey: Buffer.from(generateSigningKey().publicKey),
    };
    expect(await refusal(enrol(token, stolen))).toBe("INVALID_ARGUMENT ENROLMENT_INVALID");
    const short = await operator.createEnrolmentToken({ organisationId: "clinic-c", validSeconds: 1 });
    const parsed = parseOneTimeToken(short.token, new Date(0)); // it may have ended already: it is the server that is asked
    const authority = await fetchIssuerAuthority(parsed);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const first = connect(enrolment.EnrolmentServiceService, {
      address: parsed.address,
      credentials: pinnedChannelCredentials(authority),
    });
    const proof = Buffer.from(enrolmentProof(key.privateKeyPem, secretHashOf(parsed.secret), "clinic-c"));
    expect(
      await refusal(
        first.enrol({ secret: parsed.secret, organisation: organisation("clinic-c", clinic.bundle), proof }),
      ),
    ).toBe("PERMISSION_DENIED ENROLMENT_TOKEN_REFUSED");
    first.close();
  });

  it("keeps the operator's rpcs for the operator, and another authority away from a name", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const own = await client(await clinic.certificate("access-point"));
    for (const organisationId of ["x", "clinic-a-self-test"])
      expect(await refusal(own.createEnrolmentToken({ organisationId, validSeconds: 0 }))).toBe(
        "PERMISSION_DENIED INVITATION_REFUSED",
      );
    const clinicOperator = await client(await clinic.certificate("operator"));
    expect(await refusal(clinicOperator.revokeOrganisation({ organisationId: "clinic-a", reason: "" }))).toBe(
      "PERMISSION_DENIED ROLE_REFUSED",
    );
    const forged = await createAuthority({ org: "router" });
    const { privateKeyPem, csrDer } = await createKeyAndCsr();
    const { pem } = await issueCertificate(forged, {
      org: "router",
      role: "operator",
      dnsNames: ["localhost"],
      csrDer,
      validHours: 1,
    });
    const thief = await client(new CertificateHolder({ certificatePem: pem + forged.certificatePem, privateKeyPem }));
    expect(await refusal(thief.revokeOrganisation({ organisationId: "clinic-a", reason: "" }))).toMatch(/^UNAVAILABLE/);
  });

  it("issues tokens that hold only with the certificate they were issued to", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const holder = await clinic.certificate("access-point");
    const own = await client(holder);
    const { token } = await own.issueToken({});
    const { jwks } = await own.getKeys({});
    const verifier = new TokenVerifier(async () => JSON.parse(jwks));
    const peer = (h: CertificateHolder) => ({
      org: "clinic-a",
      role: "access-point",
      thumbprint: thumbprintOf(h.leaf),
      certificate: h.leaf,
    });
    expect(await verifier.verify(token, peer(holder))).toEqual({ org: "clinic-a", role: "access-point" });
    expect(await refusal(verifier.verify(token, peer(await clinic.certificate("access-point"))))).toBe(
      "UNAUTHENTICATED TOKEN_REFUSED",
    );
    expect(await refusal(verifier.verify(token, { ...peer(holder), org: "clinic-b" }))).toBe(
      "UNAUTHENTICATED TOKEN_REFUSED",
    );
    const [head, , signature] = token.split(".");
    const body = Buffer.from(JSON.stringify({ sub: "clinic-a" })).toString("base64url");
    expect(await refusal(verifier.verify(`${head}.${body}.${signature}`, peer(holder)))).toBe(
      "UNAUTHENTICATED TOKEN_REFUSED",
    );
  });

  it("streams organisations to router services, with revocations; a revoked organisation is out at once", async ({
    skip,
  }) => {
    if (!target) return skip("no PostgreSQL here");
    const registry = await client(await router.certificate("registry"));
    const own = await client(await clinic.certificate("access-point"));
    await own.getKeys({});
    const stream = registry.watchOrganisations({})[Symbol.asyncIterator]();
    expect((await stream.next()).value?.organisation).toMatchObject({ id: "clinic-a", revoked: false });
    expect((await stream.next()).value?.synchronised).toBe(true);
    const change = stream.next();
    const left = await operator.createEnrolmentToken({ organisationId: "clinic-a", validSeconds: 60 });
    await operator.revokeOrganisation({ organisationId: "clinic-a", reason: "test" });
    expect((await change).value?.organisation).toMatchObject({ id: "clinic-a", revoked: true });
    // A token that was made before does not bring it back.
    expect(await refusal(enrol(left.token, organisation("clinic-a", clinic.bundle)))).toBe(
      "PERMISSION_DENIED ENROLMENT_TOKEN_REFUSED",
    );
    expect(await refusal(own.getKeys({}))).toBe("UNAUTHENTICATED CERTIFICATE_REFUSED");
    expect(await refusal(own.watchOrganisations({})[Symbol.asyncIterator]().next())).toMatch(/REFUSED$/);
    await stream.return?.();
  });

  it.skipIf(kind === "pglite")(
    "of two replicas each admits, and stops admitting, whom the other does, and tells who watches",
    async ({ skip }) => {
      if (!target) return skip("no PostgreSQL here");
      const other = await startIdentity(readConfig(environment), createLogger("identity", "error"));
      try {
        const there = other.addresses.mtls;
        const watching = (await client(await router.certificate("scheduler"), there)).watchOrganisations({});
        const watch = watching[Symbol.asyncIterator]();
        for (let next = await watch.next(); !next.done && !next.value.synchronised;) next = await watch.next();
        const hear = async (revoked: boolean) => {
          for (let next = await watch.next(); !next.done; next = await watch.next())
            if (next.value.organisation?.id === "clinic-d" && next.value.organisation.revoked === revoked) return;
        };
        const late = await testOrganisation("clinic-d");
        const { token } = await operator.createEnrolmentToken({ organisationId: "clinic-d", validSeconds: 60 });
        await enrol(token, organisation("clinic-d", late.bundle));
        await hear(false);
        const own = await client(await late.certificate("access-point"), there);
        const { token: issued } = await own.issueToken({});
        expect(issued).not.toBe("");
        // Signed by the one, verified with the keys of the other: they share the key's file.
        const keys = await (await client(await router.certificate("operator"))).getKeys({});
        expect(keys).toEqual(await own.getKeys({}));
        await operator.revokeOrganisation({ organisationId: "clinic-d", reason: "test" });
        await hear(true);
        expect(await refusal(own.issueToken({}))).toMatch(/UNAUTHENTICATED|UNAVAILABLE/);
        await watch.return?.(undefined);
      } finally {
        await other.close();
      }
    },
  );

  it("names another address in tokens where it is reached by one", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    await service.close();
    const outside = "enrol.router.example.org:443";
    service = await startIdentity(
      readConfig({ ...environment, PARLEY_ENROL_ADDRESS: outside }),
      createLogger("identity", "error"),
    );
    const people = await client(await router.certificate("operator"));
    const { token } = await people.createEnrolmentToken({ organisationId: "clinic-o", validSeconds: 60 });
    expect(parseOneTimeToken(token).address).toBe(outside);
  });
});
