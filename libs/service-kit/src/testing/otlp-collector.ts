import {
  Server,
  ServerCredentials,
  type MethodDefinition,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";
import { logsOf, pointsOf, spansOf, type ReceivedLog, type ReceivedPoint, type ReceivedSpan } from "./otlp-messages.js";

type Signal = "traces" | "metrics" | "logs";

/** A collector for OTLP over gRPC and over HTTP that keeps everything that it gets. */
export interface OtlpCollector {
  /** `http://127.0.0.1:port`, for OTEL_EXPORTER_OTLP_ENDPOINT with protocol grpc. */
  readonly grpcEndpoint: string;
  /** The same for http/protobuf. */
  readonly httpEndpoint: string;
  /** Requests as they came. */
  readonly raw: readonly { readonly signal: Signal; readonly bytes: Buffer }[];
  readonly spans: readonly ReceivedSpan[];
  readonly logs: readonly ReceivedLog[];
  readonly points: readonly ReceivedPoint[];
  close(): void;
}

const identity = (bytes: Buffer) => bytes;
const method = (signal: Signal): MethodDefinition<Buffer, Buffer> => {
  const name = { traces: "trace", metrics: "metrics", logs: "logs" }[signal];
  const service = `${name[0].toUpperCase()}${name.slice(1)}Service`;
  return {
    path: `/opentelemetry.proto.collector.${name}.v1.${service}/Export`,
    requestStream: false,
    responseStream: false,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
};

export async function startOtlpCollector(): Promise<OtlpCollector> {
  const raw: { signal: Signal; bytes: Buffer }[] = [];
  const of = <T>(signal: Signal, decode: (bytes: Uint8Array) => T[]) =>
    raw.filter((request) => request.signal === signal).flatMap(({ bytes }) => decode(bytes));

  const rpc = new Server({ "grpc.max_receive_message_length": 64 << 20 });
  for (const signal of ["traces", "metrics", "logs"] as const)
    rpc.addService(
      { export: method(signal) },
      {
        export: ({ request }: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
          raw.push({ signal, bytes: request });
          callback(null, Buffer.alloc(0));
        },
      },
    );
  const rpcPort = await new Promise<number>((resolve, reject) =>
    rpc.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  );

  const http = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const body = Buffer.concat(pieces);
      const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
      raw.push({ signal: request.url!.split("/").at(-1) as Signal, bytes });
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as { port: number };

  return {
    grpcEndpoint: `http://127.0.0.1:${rpcPort}`,
    httpEndpoint: `http://127.0.0.1:${port}`,
    raw,
    get spans() {
      return of("traces", spansOf);
    },
    get logs() {
      return of("logs", logsOf);
    },
    get points() {
      return of("metrics", pointsOf);
    },
    close: () => {
      rpc.forceShutdown();
      http.close();
      http.closeAllConnections();
    },
  };
}
