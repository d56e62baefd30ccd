import { peer } from "@parley/proto";

/** Tag of `bytes frame = 1` in SessionRequest and SessionResponse. */
const FRAME_TAG = 0x0a;
const HEAD_BYTES = 8;

/** Largest payload of a frame; a longer step is cut. */
export const FRAME_BYTES = 1 << 20;

/** Messages of a session as the hot path sees them: frames stay bytes, control messages are decoded. */
export type Incoming<C> = { readonly frame: Buffer } | { readonly control: C };

/** A frame as a whole encoded message: `frame { u32 step, u32 offset, payload }`, little-endian. One copy of the payload. */
export function encodeFrame(step: number, offset: number, payload: Uint8Array): Buffer {
  const length = HEAD_BYTES + payload.length;
  const lengthBytes = varintBytes(length);
  const message = Buffer.allocUnsafe(1 + lengthBytes + length);
  message[0] = FRAME_TAG;
  let at = 1;
  for (let rest = length; at <= lengthBytes; rest >>>= 7) message[at++] = rest > 0x7f ? (rest & 0x7f) | 0x80 : rest;
  message.writeUInt32LE(step, at);
  message.writeUInt32LE(offset, at + 4);
  message.set(payload, at + HEAD_BYTES);
  return message;
}

const varintBytes = (value: number) => (value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : 4);

/** A frame's content: step, offset, payload. @throws RangeError where it is shorter than its head */
export function decodeFrame(frame: Buffer): { step: number; offset: number; payload: Buffer } {
  if (frame.length < HEAD_BYTES) throw new RangeError("a frame is shorter than its head");
  return { step: frame.readUInt32LE(0), offset: frame.readUInt32LE(4), payload: frame.subarray(HEAD_BYTES) };
}

/** The bytes of a message that is exactly one frame field; undefined for anything else. */
function frameOf(message: Buffer): Buffer | undefined {
  if (message[0] !== FRAME_TAG) return undefined;
  let length = 0;
  let at = 1;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = message[at++];
    if (byte === undefined) return undefined;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return at + length === message.length ? message.subarray(at) : undefined;
  }
  return undefined;
}

/** The decoder's own complaints (wire types, varints) are the peer's fault too. */
function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new RangeError("a session message cannot be read", { cause });
  }
}

type Request = NonNullable<peer.SessionRequest["body"]>;
type Response = NonNullable<peer.SessionResponse["body"]>;
export type RequestControl = Exclude<Request, { $case: "frame" }>;
export type ResponseControl = Exclude<Response, { $case: "frame" }>;

/** @throws Error for a message that is empty or malformed */
export function decodeRequest(message: Buffer): Incoming<RequestControl> {
  const frame = frameOf(message);
  if (frame) return { frame };
  const { body } = decoded(() => peer.SessionRequest.decode(message));
  if (!body) throw new RangeError("a session message is empty");
  return body.$case === "frame" ? { frame: body.value } : { control: body };
}

/** @throws Error for a message that is empty or malformed */
export function decodeResponse(message: Buffer): Incoming<ResponseControl> {
  const frame = frameOf(message);
  if (frame) return { frame };
  const { body } = decoded(() => peer.SessionResponse.decode(message));
  if (!body) throw new RangeError("a session message is empty");
  return body.$case === "frame" ? { frame: body.value } : { control: body };
}

export const encodeRequest = (body: RequestControl): Buffer =>
  Buffer.from(peer.SessionRequest.encode({ body }).finish());
export const encodeResponse = (body: ResponseControl): Buffer =>
  Buffer.from(peer.SessionResponse.encode({ body }).finish());
