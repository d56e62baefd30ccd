import { Code, ParleyError, probe } from "@parley/proto";
import { readFileSync } from "node:fs";
import type { CallContext } from "./handlers.js";
import { implement, type Binding } from "./implement.js";

/** Version of this installation, as it is told to whoever measures a connection. */
export const VERSION = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }
).version;

/** Most that is sent back. */
const MOST_BYTES = 4 << 20;

/** @throws ParleyError INVALID_ARGUMENT */
export function answerEcho({ answerBytes }: probe.EchoRequest): probe.EchoResponse {
  if (answerBytes > MOST_BYTES)
    throw new ParleyError(
      Code.INVALID_ARGUMENT,
      "ANSWER_BYTES",
      `at most ${MOST_BYTES} bytes are sent back`,
      "Ask for fewer.",
    );
  return { padding: Buffer.alloc(answerBytes), version: VERSION, time: new Date() };
}

/** What connections are measured with: for whoever may call the server at all; `admit` throws for others. */
export const probeBinding = (admit: (context: CallContext) => void = () => {}): Binding =>
  implement<probe.ProbeServiceServer>(
    probe.ProbeServiceService,
    {
      echo: async (request, context) => {
        admit(context);
        return answerEcho(request);
      },
    },
    { all: {} },
  );
