import { createKeyAndCsr, createAuthority, issueCertificate } from "@parley/agreement";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { Secrets } from "../kubernetes.js";

interface Stored {
  metadata: { name: string; resourceVersion?: string; [more: string]: unknown };
  data: Record<string, string>;
  type: string;
}

/** The part of the Kubernetes API that setup uses, over TLS, with the rules on versions that the real one has. */
export class FakeApi {
  readonly stored = new Map<string, Stored>();
  readonly calls: string[] = [];
  #version = 0;

  private constructor(
    private readonly server: Server,
    private readonly ca: string,
  ) {}

  static async start(): Promise<FakeApi> {
    const authority = await createAuthority({ org: "cluster" });
    const { privateKeyPem, csrDer } = await createKeyAndCsr();
    const { pem } = await issueCertificate(authority, {
      org: "cluster",
      role: "api",
      dnsNames: ["localhost"],
      csrDer,
      validHours: 1,
    });
    const server = createServer({ cert: pem, key: privateKeyPem });
    const api = new FakeApi(server, authority.certificatePem);
    server.on("request", (request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        const { status, body } =
          request.headers.authorization === "Bearer good"
            ? api.answer(request.method ?? "", request.url ?? "", Buffer.concat(pieces).toString())
            : { status: 403, body: { message: "secrets is forbidden" } };
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  secrets(token = "good"): Secrets {
    const { port } = this.server.address() as AddressInfo;
    const access = { host: "localhost", port, ca: this.ca, namespace: "router", token: () => token };
    return new Secrets(access, { "app.kubernetes.io/part-of": "parley" });
  }

  data(name: string): Record<string, string> {
    const entries = Object.entries(this.stored.get(name)?.data ?? {});
    return Object.fromEntries(entries.map(([key, text]) => [key, Buffer.from(text, "base64").toString()]));
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private answer(method: string, url: string, text: string): { status: number; body: unknown } {
    const name = /^\/api\/v1\/namespaces\/router\/secrets(?:\/([a-z0-9.-]+))?$/.exec(url)?.[1];
    this.calls.push(`${method} ${name ?? ""}`.trim());
    if (method === "GET" && name) {
      const found = this.stored.get(name);
      return found ? { status: 200, body: found } : { status: 404, body: { message: "not found" } };
    }
    const object = JSON.parse(text) as Stored;
    const held = this.stored.get(object.metadata.name);
    if (method === "POST" && held) return { status: 409, body: { message: "exists" } };
    if (method === "PUT" && held?.metadata.resourceVersion !== object.metadata.resourceVersion)
      return { status: 409, body: { message: "conflict" } };
    object.metadata.resourceVersion = String(++this.#version);
    this.stored.set(object.metadata.name, object);
    return { status: method === "POST" ? 201 : 200, body: object };
  }
}
