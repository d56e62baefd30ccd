import type { ClientHttp2Session } from "node:http2";
import { Code, ParleyError } from "../error.js";
import * as probe from "../gen/parley/probe/v1/probe.js";

const { path } = probe.ProbeServiceService.echo;

/** One gRPC call over a connection that is there: no other connection, no retries, so that what is measured is that one. */
export function callEcho(
  session: ClientHttp2Session,
  request: probe.EchoRequest,
  metadata: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<probe.EchoResponse> {
  const message = Buffer.from(probe.EchoRequest.encode(request).finish());
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...metadata,
    });
    const pieces: Buffer[] = [];
    let status: number | undefined;
    let detail = "";
    const away = (why: string) => reject(new ParleyError(Code.UNAVAILABLE, "CONNECTION_BROKE", why, ""));
    const note = (headers: Record<string, unknown>) => {
      if (headers["grpc-status"] === undefined) return;
      status = Number(headers["grpc-status"]);
      detail = decodeURIComponent(String(headers["grpc-message"] ?? ""));
    };
    stream.setTimeout(timeoutMs, () => {
      stream.close();
      away(`no answer in ${timeoutMs / 1000} s`);
    });
    stream.on("response", (headers) => {
      if (headers[":status"] !== 200) {
        stream.close();
        reject(new ParleyError(Code.UNKNOWN, "HTTP_STATUS", `HTTP ${headers[":status"]}`, ""));
      }
      note(headers);
    });
    stream.on("trailers", note);
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("error", (error) => away(error.message));
    stream.on("close", () => {
      if (status === undefined) return away("the call was cut");
      if (status !== 0) return reject(new ParleyError(status, Code[status] ?? "UNKNOWN", detail, ""));
      try {
        resolve(probe.EchoResponse.decode(Buffer.concat(pieces).subarray(5)));
      } catch {
        away("the answer cannot be read");
      }
    });
    stream.write(head);
    stream.end(message);
  });
}
