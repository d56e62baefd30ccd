import { Code, ParleyError, fromServiceError } from "@parley/proto";
import { withoutTrace } from "../telemetry/trace.js";
import { MessageQueue } from "./message-queue.js";

interface Line<Q, R> {
  readonly requests: MessageQueue<Q>;
  readonly waiting: { resolve: (answer: R) => void; reject: (error: unknown) => void }[];
  readonly abort: AbortController;
}

const PATIENCE_MS = 30_000;

/**
 * Questions and answers, in their order, over one stream that stays open: where a call of its own for each costs more than
 * what is asked. The stream is opened when first needed, and again after it broke; what was under way then is UNAVAILABLE.
 */
export class Exchange<Q, R> {
  private line: Line<Q, R> | undefined;

  constructor(
    private readonly open: (requests: AsyncIterable<Q>, settings: { signal: AbortSignal }) => AsyncIterable<R>,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** @throws ParleyError */
  ask(request: Q): Promise<R> {
    const line = (this.line ??= this.connect());
    return new Promise<R>((resolve, reject) => {
      // What follows a missing answer could not be told apart from it: the stream ends.
      const timer = setTimeout(() => this.leave(line, late()), this.patienceMs).unref();
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      line.waiting.push({ resolve: settle(resolve), reject: settle(reject) });
      line.requests.push(request);
    });
  }

  close(): void {
    if (this.line) this.leave(this.line, broken());
  }

  private connect(): Line<Q, R> {
    const line = { requests: new MessageQueue<Q>(), waiting: [], abort: new AbortController() };
    withoutTrace(() => void this.read(line)); // it outlives the request that happened to come first
    return line;
  }

  private async read(line: Line<Q, R>) {
    try {
      for await (const answer of this.open(line.requests, { signal: line.abort.signal }))
        line.waiting.shift()?.resolve(answer);
      this.leave(line, broken());
    } catch (caught) {
      const error = fromServiceError(caught);
      this.leave(line, error.code === Code.CANCELLED ? broken(error) : error);
    }
  }

  private leave(line: Line<Q, R>, why: ParleyError) {
    if (this.line === line) this.line = undefined;
    line.requests.end();
    line.abort.abort();
    for (const { reject } of line.waiting.splice(0)) reject(why);
  }
}

const broken = (cause?: unknown) =>
  new ParleyError(Code.UNAVAILABLE, "STREAM_BROKEN", "the stream to a service broke", "Try again.", {}, { cause });
const late = () =>
  new ParleyError(Code.DEADLINE_EXCEEDED, "NO_ANSWER", "a service did not answer in time", "Try again.");

/** The other side of an {@link Exchange}: answers one question after the other until the caller or `signal` ends the stream. */
export async function* answerEach<Q, R>(
  requests: AsyncIterable<Q>,
  signal: AbortSignal,
  answer: (request: Q) => Promise<R>,
): AsyncGenerator<R> {
  const queue = new MessageQueue<Q>();
  const end = () => queue.end();
  signal.addEventListener("abort", end, { once: true });
  void (async () => {
    for await (const request of requests) queue.push(request);
  })().then(end, end);
  for await (const request of queue) yield await answer(request);
}
