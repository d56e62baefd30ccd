import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Exemplar, Series } from "./metrics.js";
import { METRICS, type MetricName } from "./names.js";
import type { AttributeValues } from "./state.js";

/** Scope of everything that leaves. */
export const SCOPE = "parley";

const CUMULATIVE = 2;
const DELIMITED = 2;
const FIXED64 = 1;
const tag = (field: number, type: number) => (field << 3) | type;
const nanoseconds = (ms: number) => BigInt(Math.round(ms * 1_000)) * 1_000n;

/** Writes a message of a message's field. */
function within(writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): BinaryWriter {
  writer.uint32(tag(field, DELIMITED)).fork();
  write(writer);
  return writer.join();
}

function writeAttributes(writer: BinaryWriter, field: number, attributes: AttributeValues) {
  for (const [key, value] of Object.entries(attributes))
    within(writer, field, (pair) => {
      pair.uint32(tag(1, DELIMITED)).string(key);
      within(pair, 2, (any) => {
        if (typeof value === "string") any.uint32(tag(1, DELIMITED)).string(value);
        else if (typeof value === "boolean") any.uint32(tag(2, 0)).bool(value);
        else any.uint32(tag(4, FIXED64)).double(value);
      });
    });
}

/** Exemplar: time 2, value 3, span id 4, trace id 5. */
const writeExemplar = (writer: BinaryWriter, { value, at, trace }: Exemplar) => {
  writer.uint32(tag(2, FIXED64)).fixed64(nanoseconds(at));
  writer.uint32(tag(3, FIXED64)).double(value);
  writer.uint32(tag(4, DELIMITED)).bytes(Buffer.from(trace.spanId, "hex"));
  writer.uint32(tag(5, DELIMITED)).bytes(Buffer.from(trace.traceId, "hex"));
};

function writeHistogramPoint(
  writer: BinaryWriter,
  series: Series,
  bounds: readonly number[],
  since: number,
  now: number,
) {
  const { attributes, buckets = [], count, sum, exemplars = [] } = series;
  writer.uint32(tag(2, FIXED64)).fixed64(nanoseconds(since));
  writer.uint32(tag(3, FIXED64)).fixed64(nanoseconds(now));
  writer.uint32(tag(4, FIXED64)).fixed64(BigInt(count));
  writer.uint32(tag(5, FIXED64)).double(sum);
  writer.uint32(tag(6, DELIMITED)).fork();
  for (const inBucket of buckets) writer.fixed64(BigInt(inBucket));
  writer.join();
  writer.uint32(tag(7, DELIMITED)).fork();
  for (const bound of bounds) writer.double(bound);
  writer.join();
  for (const exemplar of exemplars) if (exemplar) within(writer, 8, (w) => writeExemplar(w, exemplar));
  writeAttributes(writer, 9, attributes);
}

function writeNumberPoint(writer: BinaryWriter, { attributes, value }: Series, since: number, now: number) {
  writer.uint32(tag(2, FIXED64)).fixed64(nanoseconds(since));
  writer.uint32(tag(3, FIXED64)).fixed64(nanoseconds(now));
  writer.uint32(tag(4, FIXED64)).double(value);
  writeAttributes(writer, 7, attributes);
}

function writeMetric(writer: BinaryWriter, name: MetricName, entries: readonly Series[], since: number, now: number) {
  const { about, unit, instrument } = METRICS[name];
  const { buckets: bounds = [] } = METRICS[name] as { buckets?: readonly number[] };
  writer.uint32(tag(1, DELIMITED)).string(name);
  writer.uint32(tag(2, DELIMITED)).string(about);
  writer.uint32(tag(3, DELIMITED)).string(unit);
  const field = { gauge: 5, counter: 7, histogram: 9 }[instrument];
  within(writer, field, (data) => {
    for (const entry of entries)
      within(data, 1, (point) =>
        instrument === "histogram"
          ? writeHistogramPoint(point, entry, bounds, since, now)
          : writeNumberPoint(point, entry, since, now),
      );
    if (instrument !== "gauge") data.uint32(tag(2, 0)).uint32(CUMULATIVE);
    if (instrument === "counter") data.uint32(tag(3, 0)).bool(true);
  });
}

/**
 * `ExportMetricsServiceRequest` of OTLP, with exemplars, which OpenTelemetry's own metrics SDK for JavaScript does not export.
 * @param since when the process began to count, milliseconds since 1970
 */
export function encodeMetrics(
  metrics: ReadonlyMap<MetricName, readonly Series[]>,
  resource: Readonly<Record<string, string>>,
  since: number,
  now = Date.now(),
): Uint8Array {
  const writer = new BinaryWriter();
  return within(writer, 1, (resourceMetrics) => {
    within(resourceMetrics, 1, (w) => writeAttributes(w, 1, resource as AttributeValues));
    within(resourceMetrics, 2, (scopeMetrics) => {
      within(scopeMetrics, 1, (scope) => scope.uint32(tag(1, DELIMITED)).string(SCOPE));
      for (const [name, entries] of metrics) within(scopeMetrics, 2, (w) => writeMetric(w, name, entries, since, now));
    });
  }).finish();
}
