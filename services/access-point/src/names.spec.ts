import { createLogger } from "@parley/service-kit";
import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeWorker } from "./testing/fake-worker.js";
import { TestAccessPoint } from "./testing/fixture.js";

const USERS = "parley.clinic-a.example.org";
const PARTNERS = "workers.clinic-a.example.org";

/** Which of some names a certificate is good for. */
const goodFor = (certificate: X509Certificate) =>
  ["localhost", USERS, PARTNERS].filter((name) => certificate.checkHost(name) !== undefined);

describe("names that outsiders use", () => {
  const a = new TestAccessPoint("clinic-a", createLogger("test", "silent"), {
    PARLEY_EXTRA_DNS: USERS,
    PARLEY_WORKER_DNS: PARTNERS,
  });
  beforeAll(() => a.start());
  afterAll(async () => {
    await a.stop();
    a.remove();
  });

  it.each(["enrol", "mtls"])("are in the access point's certificate on its port %s", async (kind) => {
    const port = Number(a.service.addresses[kind].split(":").at(-1));
    const shown = await new Promise<X509Certificate | undefined>((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, servername: USERS, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate());
        socket.destroy();
      });
      socket.on("error", reject);
    });
    expect(shown && goodFor(shown)).toEqual(["localhost", USERS]);
  });

  it("are in workers' certificates, where they are the workers'", async () => {
    const { token } = await a.member.createWorkerToken({ validSeconds: 60, reusable: false });
    const worker = await FakeWorker.enrol(token, "w1");
    worker.close();
    expect(goodFor(new X509Certificate(worker.leaf))).toEqual(["localhost", PARTNERS]);
  });
});
