import { allowed } from "./allow-list.js";
import {
  METRICS,
  type CounterName,
  type GaugeName,
  type HistogramName,
  type MetricAttributes,
  type MetricName,
} from "./names.js";
import { state, type AttributeValues } from "./state.js";
import { currentTrace, type TraceContext } from "./trace.js";

/** One measurement that stands for its bucket, with the trace in which it was made. */
export interface Exemplar {
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly trace: TraceContext;
}

/** One series: a metric with one set of attributes. */
export interface Series {
  readonly attributes: AttributeValues;
  /** Of a counter or gauge. */
  value: number;
  /** Of a histogram: measurements per bucket, the last one above all bounds; their sum; the newest exemplar per bucket. */
  readonly buckets?: number[];
  sum: number;
  count: number;
  readonly exemplars?: (Exemplar | undefined)[];
}

/** Series of a metric at most: what would be more is left out, so that a mistake does not fill a backend. */
const MOST_SERIES = 2_000;

const recorded = new Map<MetricName, Map<string, Series>>();

/** One text per set of a metric's attributes. */
function keyOf(name: MetricName, attributes: AttributeValues): string {
  let key = "";
  for (const attribute of METRICS[name].attributes) key += `${attributes[attribute] ?? ""}\u0000`;
  return key;
}

function series(name: MetricName, given: AttributeValues): Series | undefined {
  const attributes = allowed(name, METRICS[name].attributes, given);
  const key = keyOf(name, attributes);
  let all = recorded.get(name);
  if (!all) recorded.set(name, (all = new Map()));
  const known = all.get(key);
  if (known || all.size >= MOST_SERIES) return known;
  const { buckets } = METRICS[name] as { buckets?: readonly number[] };
  const fresh: Series = {
    attributes,
    value: 0,
    sum: 0,
    count: 0,
    ...(buckets && { buckets: new Array<number>(buckets.length + 1).fill(0), exemplars: [] }),
  };
  all.set(key, fresh);
  return fresh;
}

/** Adds to a counter. */
export function count<K extends CounterName>(name: K, attributes: MetricAttributes<K>, by = 1): void {
  if (!state.metrics) return;
  const entry = series(name, attributes);
  if (entry) entry.value += by;
}

/**
 * Adds a measurement to a histogram, in its unit (seconds).
 * @param trace of which the measurement is an exemplar; default the trace under way
 */
export function measure<K extends HistogramName>(
  name: K,
  value: number,
  attributes: MetricAttributes<K>,
  trace: TraceContext | undefined = state.metrics ? currentTrace() : undefined,
): void {
  if (!state.metrics) return;
  const entry = series(name, attributes);
  if (!entry?.buckets || !entry.exemplars || !Number.isFinite(value)) return;
  const bounds = METRICS[name].buckets;
  let bucket = 0;
  while (bucket < bounds.length && value > bounds[bucket]) bucket++;
  entry.buckets[bucket]++;
  entry.count++;
  entry.sum += value;
  if (trace?.sampled && state.spans) entry.exemplars[bucket] = { value, at: Date.now(), trace };
}

type Setter<K extends MetricName> = (value: number, attributes: MetricAttributes<K>) => void;
type Observe<K extends MetricName> = (set: Setter<K>) => void | Promise<void>;
const observers = new Set<{ readonly name: MetricName; readonly observe: Observe<MetricName> }>();

/**
 * A gauge (or a counter that something else counts): `observe` is called when metrics are read, and sets the values of all its
 * series. An error leaves the metric out that time. Returns how to end it.
 */
export function observe<K extends GaugeName | CounterName>(name: K, observe: Observe<K>): () => void {
  const entry = { name, observe: observe as unknown as Observe<MetricName> };
  observers.add(entry);
  return () => observers.delete(entry);
}

/** True while somebody reads metrics: guards what only they need. */
export const isMetering = (): boolean => state.metrics;

/** Everything that was recorded, and what is observed now. */
export async function collect(): Promise<Map<MetricName, Series[]>> {
  const all = new Map<MetricName, Map<string, Series>>();
  for (const [name, entries] of recorded) all.set(name, new Map(entries));
  await Promise.all(
    [...observers].map(async ({ name, observe }) => {
      const seen = all.get(name) ?? new Map<string, Series>();
      all.set(name, seen);
      const set = (value: number, given: AttributeValues) => {
        const attributes = allowed(name, METRICS[name].attributes, given);
        if (!Number.isFinite(value) || seen.size >= MOST_SERIES) return;
        seen.set(keyOf(name, attributes), { attributes, value, sum: 0, count: 0 });
      };
      await Promise.resolve()
        .then(() => observe(set as Setter<MetricName>))
        .catch((error: unknown) => {
          if (state.strict) throw error;
        });
    }),
  );
  return new Map([...all].map(([name, entries]) => [name, [...entries.values()]]));
}

/** For specs: forgets what was recorded. */
export const forgetMetrics = (): void => recorded.clear();
