import type {
  Metadata,
  UntypedServiceImplementation,
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
} from "@grpc/grpc-js";
import type { RouterToken } from "../router/token.js";
import type { TraceContext } from "../telemetry/trace.js";
import type { Peer } from "../tls/peer.js";

/** What a handler knows of its call. */
export interface CallContext {
  /** Under mutual TLS: who calls. */
  readonly peer?: Peer;
  /** Where the method asks for a router token: its verified content. */
  readonly token?: RouterToken;
  readonly trace: TraceContext;
  /** Aborted when the caller has gone, its organisation was revoked, or the server drains. */
  readonly signal: AbortSignal;
  readonly metadata: Metadata;
}

export type Unary<Q, R> = (request: Q, context: CallContext) => Promise<R>;
export type ServerStream<Q, R> = (request: Q, context: CallContext) => AsyncIterable<R>;
export type ClientStream<Q, R> = (requests: AsyncIterable<Q>, context: CallContext) => Promise<R>;
export type Duplex<Q, R> = (requests: AsyncIterable<Q>, context: CallContext) => AsyncIterable<R>;

type Handler<M> =
  M extends handleUnaryCall<infer Q, infer R>
    ? Unary<Q, R>
    : M extends handleServerStreamingCall<infer Q, infer R>
      ? ServerStream<Q, R>
      : M extends handleClientStreamingCall<infer Q, infer R>
        ? ClientStream<Q, R>
        : M extends handleBidiStreamingCall<infer Q, infer R>
          ? Duplex<Q, R>
          : never;

/** One function per rpc of a generated `XyzServiceServer`. */
export type Handlers<S extends UntypedServiceImplementation> = {
  readonly [K in keyof S as string extends K ? never : K]: Handler<S[K]>;
};

/** Who may call a method. */
export interface Access {
  /** Roles of the caller's certificate, e.g. "access-point". Under server-side TLS: absent. */
  readonly roles?: readonly string[];
  /** Trust domain that the caller must belong to; without it any pinned organisation. */
  readonly org?: string;
  /** A token of identity, bound to the certificate, is needed. */
  readonly token?: boolean;
}

/** Access of a service: of all methods, and of those that differ. */
export interface AccessRules {
  readonly all: Access;
  readonly except?: Readonly<Record<string, Access>>;
}
