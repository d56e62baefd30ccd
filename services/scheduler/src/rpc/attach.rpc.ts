import { Code, ParleyError, type scheduler } from "@parley/proto";
import type { CallContext } from "@parley/service-kit";
import type { Attachment } from "../domain/attachment.js";
import type { Attachments } from "../domain/attachments.js";
import { callerOf } from "./scheduler.rpc.js";

const MAX_CONCURRENCY = 64;
const MAX_FINISHED = 10_000;

const wrong = (message: string, hint: string) =>
  new ParleyError(Code.INVALID_ARGUMENT, "ATTACH_PROTOCOL", `the attach stream ${message}`, hint);

/** The Attach protocol: hello, ready, then orders and cancellations down, acceptances and reports up. */
export const attachHandler = (d: { readonly attachments: Attachments }) =>
  async function* (
    requests: AsyncIterable<scheduler.AttachRequest>,
    context: CallContext,
  ): AsyncGenerator<scheduler.AttachResponse> {
    const incoming = requests[Symbol.asyncIterator]();
    const hello = readHello(await incoming.next());
    const attachment = await d.attachments.open(callerOf(context), hello, context.signal);
    // What is wrong in a message ends the stream with that reason; the access point closing its side ends it quietly.
    const reading = read(incoming, attachment, d.attachments).then(
      () => attachment.end(),
      (error: unknown) => attachment.end(error instanceof ParleyError ? error : undefined),
    );
    try {
      yield* attachment.outgoing;
      if (attachment.reason) throw attachment.reason;
    } finally {
      await d.attachments.close(attachment);
      void reading;
    }
  };

function readHello({ value, done }: IteratorResult<scheduler.AttachRequest>): scheduler.AttachHello {
  const body = done ? undefined : value.body;
  if (body?.$case !== "hello") throw wrong("does not begin with hello", "Send hello first.");
  const { concurrency, finished } = body.value;
  if (concurrency < 1 || concurrency > MAX_CONCURRENCY)
    throw wrong(`offers to run ${concurrency} attempts at once`, `Offer 1 to ${MAX_CONCURRENCY}.`);
  if (finished.length > MAX_FINISHED)
    throw wrong(`reports ${finished.length} attempts in its hello`, "Report the rest after it.");
  return body.value;
}

async function read(
  incoming: AsyncIterator<scheduler.AttachRequest>,
  attachment: Attachment,
  attachments: Attachments,
): Promise<void> {
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    const { body } = next.value;
    if (body?.$case === "accepted") attachment.accepted(body.value);
    else if (body?.$case === "draining") void attachments.drain(attachment);
    else if (body?.$case === "report")
      // Not awaited: reports that come together share a commit.
      attachment.reported(body.value).catch((error: unknown) => {
        attachment.end(error instanceof ParleyError ? error : undefined);
      });
    else throw wrong("holds something else than acceptances and reports", "Send hello once, then those.");
  }
}
