import { Server } from "@grpc/grpc-js";
import { createAuthority, createKeyAndCsr, issueCertificate, type Authority } from "@parley/agreement";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { freshFolder } from "../testing/databases.js";
import { mountSecret } from "../testing/mounted-secret.js";
import { certificateFromFiles } from "./certificate-holder.js";
import { serverCredentials } from "./credentials.js";

const EVERY_MS = 20;
const leafOf = (pem: string) => new X509Certificate(pem).fingerprint256;

let authority: Authority;
beforeAll(async () => {
  authority = await createAuthority({ org: "router" });
});

/** A Secret as `parley setup` writes it. */
async function secret(): Promise<Record<"tls.crt" | "tls.key" | "ca.crt", string>> {
  const { privateKeyPem, csrDer } = await createKeyAndCsr();
  const names = { org: "router", role: "identity", dnsNames: ["localhost"], csrDer, validHours: 1 };
  const { pem } = await issueCertificate(authority, names);
  return { "tls.crt": pem, "tls.key": privateKeyPem, "ca.crt": authority.certificatePem };
}

const filesIn = (folder: string) => ({
  certificate: join(folder, "tls.crt"),
  privateKey: join(folder, "tls.key"),
  authorities: join(folder, "ca.crt"),
});

/** The certificate that a new connection is shown. */
const shownAt = (port: number) =>
  new Promise<string>((resolve, reject) => {
    const socket: TLSSocket = connectTls(
      { host: "localhost", port, ca: authority.certificatePem, ALPNProtocols: ["h2"] },
      () => {
        resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? "");
        socket.destroy();
      },
    ).on("error", reject);
  });

describe("certificateFromFiles", () => {
  it("follows a mounted Secret: new connections to a running server are shown the new certificate", async () => {
    const [first, second] = [await secret(), await secret()];
    const folder = freshFolder();
    mountSecret(folder, "v1", first);
    const { holder, close } = certificateFromFiles(filesIn(folder), EVERY_MS);
    const server = new Server();
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("localhost:0", serverCredentials(holder), (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    expect(await shownAt(port)).toBe(leafOf(first["tls.crt"]));
    mountSecret(folder, "v2", second);
    await vi.waitFor(async () => expect(await shownAt(port)).toBe(leafOf(second["tls.crt"])), 5_000);
    close();
    server.forceShutdown();
  });

  it("waits for the key of a certificate that is written before it", async () => {
    const [first, second] = [await secret(), await secret()];
    const folder = freshFolder();
    mountSecret(folder, "v1", first);
    const files = filesIn(folder);
    const { holder, close } = certificateFromFiles(files, EVERY_MS);
    const looks = vi.spyOn(holder, "replace");
    writeFileSync(files.certificate, second["tls.crt"]);
    await new Promise((resolve) => setTimeout(resolve, 3 * EVERY_MS));
    expect(looks).not.toHaveBeenCalled();
    writeFileSync(files.privateKey, second["tls.key"]);
    await vi.waitFor(() => expect(holder.current.privateKeyPem).toBe(second["tls.key"]), 5_000);
    expect(leafOf(holder.current.certificatePem)).toBe(leafOf(readFileSync(files.certificate, "utf8")));
    close();
  });
});
