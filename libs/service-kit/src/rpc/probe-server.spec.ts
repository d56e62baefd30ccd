import { Server } from "@grpc/grpc-js";
import { createKeyAndCsr, issueCertificate } from "@parley/agreement";
import { common, probe } from "@parley/proto";
import { pino } from "pino";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import { connect, createServer, type AddressInfo, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { testOrganisation, type TestOrganisation } from "../testing/certificates.js";
import { CertificateHolder } from "../tls/certificate-holder.js";
import { mutualServerCredentials } from "../tls/credentials.js";
import { TrustStore } from "../tls/trust-store.js";
import { answerEcho } from "./probe-binding.js";
import { probeServer } from "./probe-server.js";
import { RpcServer } from "./server.js";

const {
  FINDING_OUTCOME_FAILED: FAILED,
  FINDING_OUTCOME_OK: OK,
  FINDING_OUTCOME_WARNING: WARNING,
} = common.FindingOutcome;

describe("probeServer", () => {
  let router: TestOrganisation;
  let clinic: TestOrganisation;
  let own: CertificateHolder;
  const ends: (() => unknown)[] = [];

  beforeAll(async () => {
    [router, clinic] = await Promise.all(["router", "clinic-a"].map(testOrganisation));
    own = await clinic.certificate("access-point");
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  /** Findings about an address, by check. */
  const look = async (
    address: string,
    { role = "identity", bundle = router.bundle, certificate = own, idleMs = 0, timeoutMs = 5_000 } = {},
  ) => {
    const place = { source: "here", target: "there", address, idleMs, timeoutMs };
    const found = new Map<string, common.Finding>();
    const server = { org: "router", role, bundle: () => bundle };
    for await (const finding of probeServer(place, certificate, server)) found.set(finding.check, finding);
    return found;
  };
  const lastOf = (found: ReadonlyMap<string, common.Finding>) => [...found.values()].at(-1)!;

  const trust = () => new TrustStore({ [clinic.id]: clinic.bundle, [router.id]: router.bundle });
  const serve = async (certificate?: CertificateHolder) => {
    const holder = certificate ?? (await router.certificate("identity"));
    const known = trust();
    const credentials = mutualServerCredentials(holder, known);
    const server = new RpcServer({ credentials, trust: known, bindings: [], logger: pino({ level: "silent" }) });
    ends.push(() => server.close(0));
    return `localhost:${await server.listen("localhost:0")}`;
  };
  const leaf = async (settings: { dnsNames?: string[]; validHours?: number }) => {
    const { privateKeyPem, csrDer } = await createKeyAndCsr();
    const request = { org: "router", role: "identity", dnsNames: ["localhost"], csrDer, validHours: 1, ...settings };
    const { pem } = await issueCertificate(router.authority, request);
    return new CertificateHolder({ certificatePem: pem, privateKeyPem });
  };
  const pair = async () => {
    const { certificatePem: cert, privateKeyPem: key } = (await router.certificate("identity")).current;
    return { cert, key };
  };
  const listen = async (server: NetServer | Http2SecureServer) => {
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    ends.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    return `localhost:${(server.address() as AddressInfo).port}`;
  };

  it("finds nothing wrong with a service as it should be, and measures it", async () => {
    const found = await look(await serve(), { idleMs: 50 });
    expect([...found.values()].filter(({ outcome }) => outcome !== OK)).toEqual([]);
    expect([...found.keys()]).toEqual(
      (
        "dns tcp tls name certificate authority alpn|round trip|version|clock|message|bandwidth up|bandwidth down|keepalive" as const
      )
        .split("|")
        .flatMap((part, i) => (i === 0 ? part.split(" ") : [part])),
    );
    expect(found.get("message")).toMatchObject({ value: 4 << 20, unit: "bytes" });
    expect(found.get("bandwidth down")!.value).toBeGreaterThan(0);
    expect(found.get("authority")!.value).toBeGreaterThan(3_000);
    expect(Math.abs(found.get("clock")!.value)).toBeLessThan(2);
  });

  it("says that a name is not known", async () => {
    const found = await look("no-such-host.invalid:443");
    expect(lastOf(found)).toMatchObject({ check: "dns", outcome: FAILED });
    expect(lastOf(found).figure).toContain("no-such-host.invalid");
  });

  it("says that a port refuses", async () => {
    const address = await listen(createServer());
    await ends.pop()!();
    expect(lastOf(await look(address))).toMatchObject({ check: "tcp", outcome: FAILED });
    expect(lastOf(await look(address)).figure).toContain("refuses connections");
  });

  it("says that nothing answers the handshake", async () => {
    const finding = lastOf(await look(await listen(createServer()), { timeoutMs: 200 }));
    expect(finding).toMatchObject({ check: "tls", outcome: FAILED, figure: "no answer to the handshake in 0.2 s" });
  });

  it("says that a port speaks no TLS", async () => {
    const plain = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const finding = lastOf(await look(await listen(plain)));
    expect(finding).toMatchObject({ check: "tls", figure: "what answers there does not speak TLS" });
  });

  it("says that a certificate has expired", async () => {
    const finding = lastOf(await look(await serve(await leaf({ validHours: -1 / 60 }))));
    expect(finding).toMatchObject({ check: "certificate", outcome: FAILED });
    expect(finding.figure).toMatch(/^expired at /);
  });

  it("warns of a certificate that was not renewed", async () => {
    const found = await look(await serve(await leaf({ validHours: 1 / 60 }))); // 5 minutes of 6 are over
    expect(found.get("certificate")).toMatchObject({ outcome: WARNING, unit: "days" });
  });

  it("says that an authority is not the pinned one", async () => {
    const finding = lastOf(await look(await serve(), { bundle: clinic.bundle }));
    expect(finding).toMatchObject({ check: "tls", outcome: FAILED });
    expect(finding.figure).toContain("authority that is not trusted");
  });

  it("says that another service answers", async () => {
    const finding = lastOf(await look(await serve(), { role: "scheduler" }));
    expect(finding).toMatchObject({ check: "name", outcome: FAILED });
    expect(finding.figure).toBe("spiffe://router/identity answers, not spiffe://router/scheduler");
  });

  it("says that a certificate is for another host", async () => {
    const finding = lastOf(await look(await serve(await leaf({ dnsNames: ["elsewhere.example"] }))));
    expect(finding).toMatchObject({ check: "name", outcome: FAILED });
    expect(finding.figure).toBe("the certificate is for elsewhere.example, not for localhost");
  });

  it.each([["http/1.1"], [undefined]])("says that a proxy speaks HTTP/1 only (%s)", async (protocol) => {
    const finding = lastOf(
      await look(await listen(createTlsServer({ ...(await pair()), ...(protocol && { ALPNProtocols: [protocol] }) }))),
    );
    expect(finding.outcome).toBe(FAILED);
    expect(finding.figure).toContain("HTTP/2 is not offered there");
  });

  it("says that its own certificate is not taken", async () => {
    const stranger = await (await testOrganisation("stranger")).certificate("access-point");
    const finding = lastOf(await look(await serve(), { certificate: stranger }));
    expect(finding).toMatchObject({ check: "http2", outcome: FAILED });
    expect(finding.hint).toContain("does not take this certificate");
  });

  const serveEcho = async (answer: (request: probe.EchoRequest) => probe.EchoResponse) => {
    const server = new Server();
    server.addService(probe.ProbeServiceService, {
      echo: (call: { request: probe.EchoRequest }, done: (error: null, answer: probe.EchoResponse) => void) =>
        done(null, answer(call.request)),
    });
    const credentials = mutualServerCredentials(await router.certificate("identity"), trust());
    const port = await new Promise<number>((resolve) =>
      server.bindAsync("localhost:0", credentials, (_, p) => resolve(p)),
    );
    ends.push(() => server.forceShutdown());
    return `localhost:${port}`;
  };

  it.each([
    [90_000, FAILED, "ahead by 90 s"],
    [-5_000, WARNING, "behind by 5"],
  ])("says that a clock is off by %d ms", async (off, outcome, figure) => {
    const address = await serveEcho((request) => ({ ...answerEcho(request), time: new Date(Date.now() + off) }));
    const clock = (await look(address)).get("clock")!;
    expect(clock.outcome).toBe(outcome);
    expect(clock.figure).toContain(figure);
  });

  it("warns of another version, and of one older than probes", async () => {
    const address = await serveEcho((request) => ({ ...answerEcho(request), version: "0.0.9" }));
    expect((await look(address)).get("version")).toMatchObject({ outcome: WARNING });
    const server = new Server();
    const credentials = mutualServerCredentials(await router.certificate("identity"), trust());
    const port = await new Promise<number>((resolve) =>
      server.bindAsync("localhost:0", credentials, (_, p) => resolve(p)),
    );
    ends.push(() => server.forceShutdown());
    expect((await look(`localhost:${port}`)).get("version")).toMatchObject({
      outcome: WARNING,
      figure: "older than probes",
    });
  });

  it("says that large messages do not pass", async () => {
    const proxy = createSecureServer(await pair());
    proxy.on("stream", (stream) => {
      stream.on("error", () => {});
      let bytes = 0;
      stream.on("data", (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > 1 << 20 && !stream.headersSent) stream.respond({ ":status": 413 }, { endStream: true });
      });
      stream.on("end", () => {
        if (stream.headersSent) return;
        const answer = probe.EchoResponse.encode(answerEcho({ padding: Buffer.alloc(0), answerBytes: 0 })).finish();
        const head = Buffer.from([0, 0, 0, 0, answer.length]);
        stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(Buffer.concat([head, answer]));
      });
    });
    const finding = lastOf(await look(await listen(proxy)));
    expect(finding).toMatchObject({ check: "message", outcome: FAILED, figure: "4 MiB do not pass: HTTP 413" });
  });

  it("says that silent connections are cut", async () => {
    const port = Number((await serve()).split(":")[1]);
    const proxy = createServer((near) => {
      const far = connect(port, "localhost");
      for (const [one, other] of [
        [near, far],
        [far, near],
      ]) {
        one.pipe(other);
        one.on("error", () => other.destroy());
      }
      near.setTimeout(300, () => (near.destroy(), far.destroy()));
    });
    const finding = lastOf(await look(await listen(proxy), { idleMs: 5_000 }));
    expect(finding).toMatchObject({ check: "keepalive", outcome: FAILED });
    expect(finding.hint).toContain("idle timeout");
  });
});
