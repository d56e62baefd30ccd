import { Client, Metadata, type ChannelCredentials, type ClientOptions, type MethodDefinition } from "@grpc/grpc-js";
import { ParleyError, Code, fromServiceError } from "./error.js";
import { renewed } from "./renewed.js";

/** Settings of one call. */
export interface CallSettings {
  readonly signal?: AbortSignal;
  /** Milliseconds; unary calls default to 30 s, streams have none. */
  readonly timeoutMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Hears of one call. */
export interface CallObserver {
  /** Metadata of this call, e.g. its trace context. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Called once, with the status. */
  ended(code: Code): void;
}

export interface ClientSettings {
  readonly address: string;
  readonly credentials: ChannelCredentials;
  readonly options?: ClientOptions;
  /** After how long a connection in use is exchanged for a new one, milliseconds; without it never. */
  readonly renewMs?: number;
  /** Metadata of every call, e.g. token and trace context; asked each time. */
  readonly metadata?: () => Record<string, string> | Promise<Record<string, string>>;
  /** Told of each call as it begins. */
  readonly observe?: (path: string, isStream: boolean) => CallObserver | undefined;
}

type Method = MethodDefinition<never, never>;
type Definition = Readonly<Record<string, { readonly path: string }>>;
type Req<M> = M extends { requestSerialize: (value: infer Q) => Buffer } ? Q : never;
type Res<M> = M extends { responseDeserialize: (value: Buffer) => infer R } ? R : never;

type Call<M> = M extends { requestStream: false; responseStream: false }
  ? (request: Req<M>, settings?: CallSettings) => Promise<Res<M>>
  : M extends { requestStream: false; responseStream: true }
    ? (request: Req<M>, settings?: CallSettings) => AsyncIterable<Res<M>>
    : M extends { requestStream: true; responseStream: false }
      ? (requests: AsyncIterable<Req<M>> | Iterable<Req<M>>, settings?: CallSettings) => Promise<Res<M>>
      : (requests: AsyncIterable<Req<M>>, settings?: CallSettings) => AsyncIterable<Res<M>>;

/** A client with one function per rpc; failures are {@link ParleyError}s. */
export type ServiceClient<D> = { readonly [K in keyof D]: Call<D[K]> } & { close(): void };

const UNARY_TIMEOUT_MS = 30_000;

/** A typed client for a generated service definition, e.g. `createClient(identity.IdentityServiceService, {...})`. */
export function createClient<D extends Definition>(definition: D, settings: ClientSettings): ServiceClient<D> {
  const options = { "grpc.enable_retries": 0, ...settings.options };
  const connection = renewed(() => new Client(settings.address, settings.credentials, options), settings.renewMs);
  const entries = Object.entries(definition).map(([name, method]) => [
    name,
    bindMethod(connection, method as Method, settings),
  ]);
  return { ...Object.fromEntries(entries), close: () => connection.close() } as ServiceClient<D>;
}

function bindMethod(connection: { readonly current: Client }, method: Method, settings: ClientSettings) {
  const { path, requestSerialize, responseDeserialize } = method;
  const prepare = async (call: CallSettings | undefined, fallbackMs?: number) => {
    const observer = settings.observe?.(path, method.requestStream && method.responseStream);
    const metadata = new Metadata();
    try {
      const given = { ...(await settings.metadata?.()), ...observer?.metadata, ...call?.metadata };
      for (const [key, value] of Object.entries(given)) metadata.set(key, value);
    } catch (error) {
      observer?.ended(fromServiceError(error).code);
      throw error;
    }
    const ms = call?.timeoutMs ?? fallbackMs;
    return { metadata, observer, options: ms === undefined ? {} : { deadline: Date.now() + ms } };
  };
  if (!method.requestStream && !method.responseStream)
    return async (request: never, call?: CallSettings) => {
      const { metadata, observer, options } = await prepare(call, UNARY_TIMEOUT_MS);
      return new Promise((resolve, reject) => {
        const active = connection.current.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          metadata,
          options,
          (error, response) => (error ? reject(fromServiceError(error, settings.address)) : resolve(response)),
        );
        watch(call?.signal, active, observer);
      });
    };
  if (method.requestStream && !method.responseStream)
    return async (requests: AsyncIterable<never>, call?: CallSettings) => {
      const { metadata, observer, options } = await prepare(call);
      return new Promise((resolve, reject) => {
        const active = connection.current.makeClientStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          metadata,
          options,
          (error, response) => (error ? reject(fromServiceError(error, settings.address)) : resolve(response)),
        );
        watch(call?.signal, active, observer);
        pump(requests, active).catch(
          (error: unknown) => (active.cancel(), reject(fromServiceError(error, settings.address))),
        );
      });
    };
  return async function* (requests: never, call?: CallSettings) {
    const { metadata, observer, options } = await prepare(call);
    let active: AsyncIterable<unknown> & Cancellable;
    if (method.requestStream) {
      const duplex = connection.current.makeBidiStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        metadata,
        options,
      );
      pump(requests as AsyncIterable<never>, duplex).catch((error: Error) => duplex.destroy(error));
      active = duplex;
    } else
      active = connection.current.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        requests,
        metadata,
        options,
      );
    watch(call?.signal, active, observer);
    try {
      for await (const message of active) yield message;
    } catch (error) {
      throw fromServiceError(error, settings.address);
    } finally {
      active.cancel();
    }
  };
}

interface Cancellable {
  cancel(): void;
  on(event: "status", handler: (status: { readonly code: Code }) => void): unknown;
}

/** Cancels a call with its signal; the signal, which may live longer, does not keep calls that have ended. */
function watch(signal: AbortSignal | undefined, call: Cancellable, observer: CallObserver | undefined) {
  if (observer) call.on("status", ({ code }) => observer.ended(code));
  if (!signal) return;
  const cancel = () => call.cancel();
  if (signal.aborted) {
    cancel();
    throw new ParleyError(Code.CANCELLED, "CANCELLED", "the call was cancelled by its caller");
  }
  signal.addEventListener("abort", cancel, { once: true });
  call.on("status", () => signal.removeEventListener("abort", cancel));
}

interface Sink {
  write(message: never): boolean;
  end(): void;
  once(event: "drain" | "close", handler: () => void): unknown;
  off(event: "drain" | "close", handler: () => void): unknown;
  readonly destroyed?: boolean;
}

/** Writes all messages with back-pressure; stops quietly where the stream has ended. */
async function pump(messages: AsyncIterable<never> | Iterable<never>, sink: Sink): Promise<void> {
  for await (const message of messages) {
    if (sink.destroyed) return;
    if (!sink.write(message)) await drained(sink);
  }
  sink.end();
}

const drained = (sink: Sink) =>
  new Promise<void>((resolve) => {
    const done = () => {
      sink.off("drain", done);
      sink.off("close", done);
      resolve();
    };
    sink.once("drain", done);
    sink.once("close", done);
  });
