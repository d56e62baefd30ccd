import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Field numbers of nested messages that are walked ("messages") and of numbers that decode to one object each ("packed"). */
interface Layout {
  readonly messages: Readonly<Record<number, Layout>>;
  readonly packed?: readonly number[];
}

const tensor: Layout = { messages: {}, packed: [1] };
const attribute: Layout = { messages: { 5: tensor }, packed: [7, 8] };
const shape: Layout = { messages: { 1: { messages: {} } } };
const valueInfo: Layout = { messages: { 2: { messages: { 1: { messages: { 2: shape } } } } } };
const graph: Layout = {
  messages: { 1: { messages: { 5: attribute } }, 5: tensor, 11: valueInfo, 12: valueInfo },
};
const model: Layout = { messages: { 7: graph, 8: { messages: {} } } };

/**
 * Walks the wire format of an ONNX file without building anything, so that a small file that would decode to millions of
 * objects is refused before it does.
 * @returns the number of fields that decoding would create
 * @throws Error for a truncated or malformed file, RangeError above `most` fields
 */
export function scanModel(bytes: Uint8Array, most: number): number {
  const reader = new BinaryReader(bytes);
  let fields = 0;
  const count = (by: number): void => {
    fields += by;
    if (fields > most) throw new RangeError(`more than ${most} fields`);
  };
  const walk = (layout: Layout, end: number): void => {
    while (reader.pos < end) {
      const [field, wire] = reader.tag();
      count(1);
      if (wire !== WireType.LengthDelimited) {
        reader.skip(wire, field);
        continue;
      }
      const length = reader.uint32();
      const next = reader.pos + length;
      if (next > end) throw new Error("a field is longer than its message");
      const nested = layout.messages[field];
      if (nested) walk(nested, next);
      else if (layout.packed?.includes(field)) count(length);
      reader.pos = next;
    }
    if (reader.pos !== end) throw new Error("a field is longer than its message");
  };
  walk(model, bytes.length);
  return fields;
}
