import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const TIMEOUT_MS = 15_000;

/** Data of a Secret by key. */
export type SecretData = Readonly<Record<string, Buffer>>;

export interface StoredSecret {
  readonly data: SecretData;
  readonly annotations: Readonly<Record<string, string>>;
  readonly version: string;
}

export interface NewSecret {
  readonly type?: string;
  readonly data: SecretData;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Body {
  readonly data?: Readonly<Record<string, string>>;
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>>; readonly resourceVersion?: string };
  readonly message?: string;
}

/** How a pod reaches its cluster's API. */
export interface Access {
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly namespace: string;
  /** Read for each call: tokens are renewed under a running pod. */
  readonly token: () => string;
}

/** The access that Kubernetes gives a pod whose service account has a token. @throws Error outside of a cluster */
export function podAccess(env: NodeJS.ProcessEnv = process.env, folder = ACCOUNT): Access {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port)
    throw new Error("parley setup runs in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
  const read = (name: string) => readFileSync(join(folder, name), "utf8").trim();
  return { host, port: Number(port), ca: read("ca.crt"), namespace: read("namespace"), token: () => read("token") };
}

/** Secrets of one namespace through the Kubernetes API: just what setup needs. */
export class Secrets {
  constructor(
    private readonly access: Access,
    /** Put on each new Secret. */
    private readonly labels: Readonly<Record<string, string>>,
  ) {}

  get namespace(): string {
    return this.access.namespace;
  }

  /** @throws Error where the API refuses */
  async get(name: string): Promise<StoredSecret | undefined> {
    const { status, body } = await this.call("GET", `/${name}`);
    if (status === 404) return undefined;
    if (status !== 200) throw refusal("read", name, status, body);
    const data = Object.entries(body.data ?? {}).map(([key, text]) => [key, Buffer.from(text, "base64")] as const);
    return {
      data: Object.fromEntries(data),
      annotations: body.metadata?.annotations ?? {},
      version: body.metadata?.resourceVersion ?? "",
    };
  }

  /** False where somebody else made it meanwhile. @throws Error where the API refuses */
  async create(name: string, secret: NewSecret): Promise<boolean> {
    const { status, body } = await this.call("POST", "", this.object(name, secret));
    if (status === 409) return false;
    if (status !== 201) throw refusal("create", name, status, body);
    return true;
  }

  /** Replaces what was read. False where somebody else changed it meanwhile. @throws Error where the API refuses */
  async replace(name: string, secret: NewSecret, before: StoredSecret): Promise<boolean> {
    const { status, body } = await this.call("PUT", `/${name}`, this.object(name, secret, before.version));
    if (status === 409) return false;
    if (status !== 200) throw refusal("replace", name, status, body);
    return true;
  }

  private object(name: string, { type = "Opaque", data, annotations = {} }: NewSecret, resourceVersion?: string) {
    const encoded = Object.entries(data).map(([key, bytes]) => [key, bytes.toString("base64")] as const);
    const metadata = { name, labels: this.labels, annotations, ...(resourceVersion && { resourceVersion }) };
    return { apiVersion: "v1", kind: "Secret", metadata, type, data: Object.fromEntries(encoded) };
  }

  private call(method: string, path: string, object?: object): Promise<{ status: number; body: Body }> {
    const { host, port, ca, namespace, token } = this.access;
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host,
          port,
          ca,
          method,
          path: `/api/v1/namespaces/${namespace}/secrets${path}`,
          headers: { authorization: `Bearer ${token()}`, "content-type": "application/json" },
          timeout: TIMEOUT_MS,
        },
        (response) => {
          const pieces: Buffer[] = [];
          response.on("data", (piece: Buffer) => pieces.push(piece));
          response.on("error", reject);
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body: parse(Buffer.concat(pieces)) }));
        },
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error("the Kubernetes API did not answer in time")));
      outgoing.on("error", reject);
      outgoing.end(object && JSON.stringify(object));
    });
  }
}

function parse(text: Buffer): Body {
  try {
    return JSON.parse(text.toString()) as Body;
  } catch {
    return {};
  }
}

const refusal = (what: string, name: string, status: number, body: Body) =>
  new Error(`the Kubernetes API did not ${what} Secret ${name}: ${status} ${body.message ?? ""}`.trim());
