import { connect as dial, createServer, type AddressInfo, type Server } from "node:net";
import { Code, ParleyError, identity } from "@parley/proto";
import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import { testOrganisation } from "../testing/certificates.js";
import { mutualServerCredentials } from "../tls/credentials.js";
import { TrustStore } from "../tls/trust-store.js";
import { connect } from "./connect.js";
import { implement } from "./implement.js";
import { RpcServer } from "./server.js";

const served = [0, 0];
const ended = [0, 0];
const servers: RpcServer[] = [];
let address: string;
let balancer: Server;
let router: Awaited<ReturnType<typeof testOrganisation>>;
let clinic: Awaited<ReturnType<typeof testOrganisation>>;

const unused = () => Promise.reject(new ParleyError(Code.UNIMPLEMENTED, "UNIMPLEMENTED", "not in this test"));
const bindingOf = (replica: number) =>
  implement<identity.IdentityServiceServer>(
    identity.IdentityServiceService,
    {
      createEnrolmentToken: unused,
      getKeys: unused,
      listOrganisations: unused,
      updateEndpoints: unused,
      revokeOrganisation: unused,
      getOrganisation: unused,
      issueToken: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return { token: `${++served[replica]}`, expires: undefined };
      },
      watchOrganisations: async function* (_, { signal }) {
        yield { organisation: undefined, synchronised: true };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        ended[replica]++;
      },
    },
    { all: { roles: ["access-point"] } },
  );

beforeAll(async () => {
  [router, clinic] = await Promise.all(["router", "clinic-a"].map(testOrganisation));
  const trust = new TrustStore();
  for (const org of [router, clinic]) trust.setBundle(org.id, org.bundle);
  const ports: number[] = [];
  for (const replica of [0, 1]) {
    const credentials = mutualServerCredentials(await router.certificate("identity"), trust);
    const logger = pino({ level: "silent" });
    const server = new RpcServer({ credentials, trust, bindings: [bindingOf(replica)], logger });
    servers.push(server);
    ports.push(await server.listen("127.0.0.1:0"));
  }
  // What a Service does: each connection goes to one of the replicas.
  let next = 0;
  balancer = createServer((socket) => {
    const onward = dial(ports[next++ % ports.length], "127.0.0.1");
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ])
      from.pipe(to).on("error", () => from.destroy());
  });
  await new Promise<void>((resolve) => balancer.listen(0, "127.0.0.1", resolve));
  address = `localhost:${(balancer.address() as AddressInfo).port}`;
});

afterAll(async () => {
  balancer.close();
  await Promise.all(servers.map((server) => server.close(200)));
});

it("calls of one caller come to all replicas in time, none fails, and a lasting stream stays", async () => {
  const own = await clinic.certificate("access-point");
  const server = { org: "router", role: "identity", bundle: () => router.bundle };
  const client = connect(identity.IdentityServiceService, { address, own, server, renewMs: 100 });
  try {
    const stream = client.watchOrganisations({})[Symbol.asyncIterator]();
    await stream.next();
    const lane = async () => {
      while (Math.min(...served) < 200) await client.issueToken({});
    };
    await Promise.all(Array.from({ length: 8 }, lane));
    expect(ended).toEqual([0, 0]);
    await stream.return?.();
  } finally {
    client.close();
  }
});
