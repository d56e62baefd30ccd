/** A secret and the stretches of bytes by which it is looked for. */
export interface Secret {
  readonly name: string;
  /** Processes, by name, that may hold it. */
  readonly mayHold: RegExp;
  readonly excerpts: readonly Buffer[];
}

const plane = (values: readonly bigint[], from: bigint, bits: bigint, bytes: number) => {
  const out = Buffer.alloc(values.length * bytes);
  values.forEach((v, i) => out.writeUIntLE(Number((v >> from) & ((1n << bits) - 1n)), i * bytes, bytes));
  return out;
};

/** The encodings in use: 64-bit and 32-bit words, 48-bit packing, floating point at both precisions, and text forms of them. */
function encodings(values: readonly bigint[], scale: number): Buffer[] {
  const words = Buffer.from(BigInt64Array.from(values).buffer);
  const low = Buffer.from(Int32Array.from(values, (v) => Number(BigInt.asIntN(32, v))).buffer);
  const real = values.map((v) => Number(v) / 2 ** scale);
  const doubles = Buffer.from(Float64Array.from(real).buffer);
  const floats = Buffer.from(Float32Array.from(real).buffer);
  const packed = Buffer.concat([plane(values, 0n, 16n, 2), plane(values, 16n, 16n, 2), plane(values, 32n, 16n, 2)]);
  const decimal = Buffer.from(values.join(","));
  const quoted = Buffer.from(values.map((v) => `"${v}"`).join(","));
  const binary = [words, low, doubles, floats, packed];
  return [...binary, ...binary.flatMap((b) => [Buffer.from(b.toString("hex")), base64Core(b)]), decimal, quoted];
}

/** Base64 of whole groups, so that it also occurs inside a longer text that starts at the same phase. */
const base64Core = (bytes: Buffer) =>
  Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 3)).toString("base64"));

/** Eight stretches in every encoding. */
const MOST = 8 * 17;

/**
 * Up to eight stretches of `length` neighbouring values, eight-aligned, that are varied enough not to occur by chance (all
 * different and none of them small), in every encoding.
 */
export function excerpts(values: BigInt64Array, length = 8, scale = 16): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + length <= values.length && found.length < MOST; at += length) {
    const some = [...values.subarray(at, at + length)];
    const varied = new Set(some).size === length && some.every((v) => v > 255n || v < -255n);
    if (varied) found.push(...encodings(some, scale));
  }
  return found;
}

/** Payloads of the frames in what one HTTP/2 stream of a session carried; empty for any other stream. */
export function framesOf(stream: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  let first = true;
  for (let at = 0; at + 5 <= stream.length;) {
    const length = stream.readUInt32BE(at + 1);
    const message = stream.subarray(at + 5, at + 5 + length);
    at += 5 + length;
    if (first && message[0] !== 0x12) return []; // every session begins with a Hello, field 2
    first = false;
    if (message[0] !== 0x0a) continue;
    let head = 1;
    while (message[head] & 0x80) head++;
    frames.push(message.subarray(head + 1 + 8));
  }
  return frames;
}
