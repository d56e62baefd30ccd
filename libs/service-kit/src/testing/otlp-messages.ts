import { BinaryReader } from "@bufbuild/protobuf/wire";

export type Value = string | number | boolean | undefined;
export type Fields = Readonly<Record<string, Value>>;

export interface ReceivedSpan {
  readonly service: string;
  readonly resource: Fields;
  readonly traceId: string;
  readonly spanId: string;
  /** "" for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Fields;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly failed: boolean;
}

export interface ReceivedLog {
  readonly service: string;
  readonly body: string;
  readonly severity: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Fields;
}

export interface ReceivedPoint {
  readonly service: string;
  readonly metric: string;
  readonly unit: string;
  readonly attributes: Fields;
  /** Of a histogram its count. */
  readonly value: number;
  readonly exemplars: readonly { readonly value: number; readonly traceId: string; readonly spanId: string }[];
}

type Message = ReadonlyMap<number, readonly (Uint8Array | number | bigint)[]>;

/** Fields of a message by number; the types are what the caller knows. */
function fieldsOf(bytes: Uint8Array): Message {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (Uint8Array | number | bigint)[]>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const value =
      type === 2
        ? reader.bytes()
        : type === 1
          ? BigInt(reader.fixed64())
          : type === 0
            ? Number(reader.uint64())
            : reader.fixed32();
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const messages = (message: Message, field: number) => ((message.get(field) ?? []) as Uint8Array[]).map(fieldsOf);
const bytes = (message: Message, field: number) =>
  Buffer.from((message.get(field)?.[0] as Uint8Array | undefined) ?? []);
const text = (message: Message, field: number) => bytes(message, field).toString("utf8");
const hex = (message: Message, field: number) => bytes(message, field).toString("hex");
const milliseconds = (message: Message, field: number) =>
  Number((message.get(field)?.[0] as bigint | undefined) ?? 0n) / 1e6;

const asDouble = (bits: unknown) => {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits as bigint);
  return view.getFloat64(0);
};

function valueOf(any: Message | undefined): Value {
  if (!any) return undefined;
  if (any.has(1)) return text(any, 1);
  if (any.has(2)) return any.get(2)![0] === 1;
  if (any.has(3)) return any.get(3)![0] as number;
  return any.has(4) ? asDouble(any.get(4)![0]) : undefined;
}

const attributesOf = (message: Message, field: number): Fields =>
  Object.fromEntries(messages(message, field).map((pair) => [text(pair, 1), valueOf(messages(pair, 2)[0])]));

/** Everything of a request below its resource and scope, each with the process that sent it. */
const below = (request: Uint8Array) =>
  messages(fieldsOf(request), 1).flatMap((perResource) => {
    const resource = attributesOf(messages(perResource, 1)[0] ?? new Map(), 1);
    const service = String(resource["service.name"]);
    return messages(perResource, 2).flatMap((scope) => messages(scope, 2).map((item) => ({ service, resource, item })));
  });

export const spansOf = (request: Uint8Array): ReceivedSpan[] =>
  below(request).map(({ service, resource, item }) => ({
    service,
    resource,
    traceId: hex(item, 1),
    spanId: hex(item, 2),
    parentSpanId: hex(item, 4),
    name: text(item, 5),
    start: milliseconds(item, 7),
    end: milliseconds(item, 8),
    attributes: attributesOf(item, 9),
    links: messages(item, 13).map((link) => ({ traceId: hex(link, 1), spanId: hex(link, 2) })),
    failed: messages(item, 15)[0]?.get(3)?.[0] === 2,
  }));

export const logsOf = (request: Uint8Array): ReceivedLog[] =>
  below(request).map(({ service, item }) => ({
    service,
    body: String(valueOf(messages(item, 5)[0])),
    severity: text(item, 3),
    traceId: hex(item, 9),
    spanId: hex(item, 10),
    attributes: attributesOf(item, 6),
  }));

export const pointsOf = (request: Uint8Array): ReceivedPoint[] =>
  below(request).flatMap(({ service, item }) => {
    const isHistogram = item.has(9);
    const data = messages(item, isHistogram ? 9 : item.has(7) ? 7 : 5)[0] ?? new Map();
    return messages(data, 1).map((point) => ({
      service,
      metric: text(item, 1),
      unit: text(item, 3),
      attributes: attributesOf(point, isHistogram ? 9 : 7),
      value: isHistogram ? Number(point.get(4)?.[0] ?? 0) : asDouble(point.get(4)?.[0] ?? 0n),
      exemplars: messages(point, isHistogram ? 8 : 5).map((exemplar) => ({
        value: asDouble(exemplar.get(3)?.[0] ?? 0n),
        traceId: hex(exemplar, 5),
        spanId: hex(exemplar, 4),
      })),
    }));
  });
