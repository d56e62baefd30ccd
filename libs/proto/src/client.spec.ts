import { credentials } from "@grpc/grpc-js";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { createClient } from "./client.js";
import { Code } from "./error.js";
import { ProbeServiceService } from "./gen/parley/probe/v1/probe.js";

/** What a client gets where a server does this with its call. */
async function refusalOf(answer: (stream: ServerHttp2Stream) => void): Promise<unknown> {
  const server = createServer().on("stream", answer);
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const address = `localhost:${(server.address() as AddressInfo).port}`;
  const client = createClient(ProbeServiceService, { address, credentials: credentials.createInsecure() });
  try {
    return await client.echo({ padding: Buffer.alloc(1), answerBytes: 1 }).then(
      () => "answered",
      (error: unknown) => error,
    );
  } finally {
    client.close();
    server.close();
  }
}

it.each<[string, (stream: ServerHttp2Stream) => void]>([
  ["before headers", (stream) => stream.close(0)],
  ["after headers", (stream) => (stream.respond({ ":status": 200, "content-type": "application/grpc" }), stream.end())],
  ["with its connection", (stream) => stream.session?.destroy()],
])("a call that ends without a status, %s, is one to try again: the server went away", async (_, answer) => {
  expect(await refusalOf(answer)).toMatchObject({ code: Code.UNAVAILABLE, reason: "UNAVAILABLE" });
});

it("an internal error that the server itself answers stays one", async () => {
  const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": "13", "grpc-message": "broken" };
  const error = await refusalOf((stream) => stream.respond(headers, { endStream: true }));
  expect(error).toMatchObject({ code: Code.INTERNAL, message: "broken" });
});

it("names the address where nobody answers", async () => {
  const client = createClient(ProbeServiceService, {
    address: "localhost:9",
    credentials: credentials.createInsecure(),
  });
  const call = client.echo({ padding: Buffer.alloc(1), answerBytes: 1 });
  await expect(call).rejects.toMatchObject({
    code: Code.UNAVAILABLE,
    message: expect.stringMatching(/^localhost:9 is not reached: ./) as string,
  });
  client.close();
});
