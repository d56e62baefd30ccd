// An OTLP receiver as a process of its own: takes everything, counts its bytes, keeps nothing.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { answer } from "./process-calls.mjs";

const asIs = (bytes) => bytes;
const received = { trace: 0, metrics: 0, logs: 0 };
const server = new Server({ "grpc.max_receive_message_length": 64 << 20 });
for (const signal of Object.keys(received))
  server.addService(
    {
      export: {
        path: `/opentelemetry.proto.collector.${signal}.v1.${signal[0].toUpperCase()}${signal.slice(1)}Service/Export`,
        requestStream: false,
        responseStream: false,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    },
    {
      export({ request }, done) {
        received[signal] += request.length;
        done(null, Buffer.alloc(0));
      },
    },
  );
const port = await new Promise((resolve, reject) =>
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, at) =>
    error ? reject(error) : resolve(at),
  ),
);
answer({ endpoint: () => `http://127.0.0.1:${port}`, received: () => received });
