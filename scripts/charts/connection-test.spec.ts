import { Server, ServerCredentials } from "@grpc/grpc-js";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthority, createKeyAndCsr, issueCertificate } from "../../libs/agreement/src/index.js";
import { charts } from "./charts.mjs";
import { helm } from "./helm-for-tests.mjs";
import { renderFeature } from "./render.mjs";

interface Container {
  readonly name: string;
  readonly command: readonly string[];
}
const dealer = charts.find(({ name }) => name === "parley-dealer");

/** Runs what a container would, as rendered, with other arguments and files. */
const run = (command: readonly string[], change: (text: string) => string) =>
  new Promise<{ code: number; output: string }>((resolve) => {
    const child = execFile(process.execPath, command.slice(1).map(change), { timeout: 30_000 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? 1, output: stdout + stderr }),
    );
  });

async function identity(folder: string, name: string) {
  const authority = await createAuthority({ org: name });
  const { privateKeyPem, csrDer } = await createKeyAndCsr();
  const request = { org: name, role: "dealer", dnsNames: ["localhost"], csrDer, validHours: 1 };
  const { pem } = await issueCertificate(authority, request);
  const files = { "ca.crt": authority.certificatePem, "tls.crt": pem, "tls.key": privateKeyPem };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  return files;
}

describe.skipIf(!helm)("helm test of the dealer, as rendered", () => {
  const own = mkdtempSync(join(tmpdir(), "parley-own-"));
  const foreign = mkdtempSync(join(tmpdir(), "parley-foreign-"));
  const server = new Server();
  let port = 0;
  let command: readonly string[] = [];

  beforeAll(async () => {
    const files = await identity(own, "dealer");
    await identity(foreign, "other");
    const pair = { cert_chain: Buffer.from(files["tls.crt"]), private_key: Buffer.from(files["tls.key"]) };
    const credentials = ServerCredentials.createSsl(Buffer.from(files["ca.crt"]), [pair], true);
    port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("localhost:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    const pod = (await renderFeature(helm, dealer, "base")).find(({ kind }) => kind === "Pod");
    command = (pod.spec.containers as Container[])[0].command;
  });
  afterAll(() => {
    server.forceShutdown();
    for (const folder of [own, foreign]) rmSync(folder, { recursive: true });
  });

  const connect = (folder: string, mutual: boolean) =>
    run(command, (text) =>
      text.startsWith("[")
        ? JSON.stringify([{ host: "localhost", port, mutual }])
        : text.replaceAll("/etc/parley/files", folder),
    );

  it("passes where a server answers under its authority", async () => {
    expect(await connect(own, true)).toEqual({ code: 0, output: `localhost:${port} answers\n` });
  });

  it("fails where the server is another's", async () => {
    expect((await connect(foreign, true)).code).toBe(1);
  });

  it("fails where the caller shows no certificate", async () => {
    expect((await connect(own, false)).code).toBe(1);
  });
});

describe.skipIf(!helm)("the wait for a trial's database, as rendered", () => {
  it("ends when the port answers, and not before", async () => {
    const objects = await renderFeature(helm, dealer, "embedded");
    const { spec } = objects.find(({ kind }) => kind === "Deployment");
    const { command } = (spec.template.spec.initContainers as Container[])[0];
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const change = (text: string) =>
      text.replace("5432", String(port)).replace(/'dealer-postgresql[^']*'/, "'127.0.0.1'");
    let opened = false;
    const waiting = run(command, change).then(({ code }) => ({ code, opened }));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    opened = true;
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    expect(await waiting).toEqual({ code: 0, opened: true });
    server.close();
  });
});
