import { randomBytes } from "node:crypto";
import { Dealing, ExpandedPart, deriveBatch, expandMask } from "@parley/correlation";
import type { BatchKeys } from "@parley/correlation";
import type { Plan, Weights } from "@parley/plan";
import { ClientSession, ServerSession, createChannelPair } from "@parley/protocol";
import type { Channel, SessionObserver } from "@parley/protocol";

/** A model under a mask: what the model owner, the dealer and the data owner hold of it. */
export interface MaskedModel {
  readonly plan: Plan;
  readonly weights: Weights;
  /** D = W - U. */
  readonly masked: Uint8Array;
  readonly dealing: Dealing;
}

export async function maskModel(plan: Plan, weights: Weights): Promise<MaskedModel> {
  const [maskKey, maskId] = [randomBytes(32), randomBytes(32)];
  const u: Uint8Array[] = [];
  for await (const chunk of expandMask(maskKey, maskId, plan)) u.push(chunk);
  const mask = new BigUint64Array(new Uint8Array(Buffer.concat(u)).buffer);
  const w = weights.flatMap(({ weights: values }) => [...values]);
  const masked = new Uint8Array(
    BigUint64Array.from(w, (value, i) => BigInt.asUintN(64, BigInt(value) - mask[i])).buffer,
  );
  return { plan, weights, masked, dealing: new Dealing(plan, maskKey, maskId) };
}

export function newBatch(records: number): BatchKeys {
  const field = (bytes: number): Uint8Array => new Uint8Array(randomBytes(bytes));
  return deriveBatch(field(32), {
    maskId: field(32),
    planDigest: field(32),
    batchId: field(16),
    records,
    org0: field(32),
    org1: field(32),
  });
}

export interface RunOptions {
  readonly channels?: [Channel, Channel];
  readonly observers?: [SessionObserver?, SessionObserver?];
  readonly batch?: BatchKeys;
  readonly beforeReveal?: () => void;
}

export interface Run {
  readonly result: BigInt64Array;
  readonly channels: [Channel, Channel];
  readonly server: ServerSession;
  readonly client: ClientSession;
}

/** Both sessions of one run, not prepared. */
export function openSessions(model: MaskedModel, records: number, options: RunOptions = {}): Omit<Run, "result"> {
  const { plan, weights, masked, dealing } = model;
  const channels = options.channels ?? createChannelPair();
  const batch = options.batch ?? newBatch(records);
  const server = new ServerSession({
    plan,
    records,
    weights,
    channel: channels[0],
    correlations: new ExpandedPart({ key: batch.key0.slice() }),
  });
  const corrections = dealing.corrections(batch, records);
  const client = new ClientSession({
    plan,
    records,
    masked,
    channel: channels[1],
    correlations: new ExpandedPart({ key: batch.key1.slice(), corrections }),
  });
  return { channels, server, client };
}

/** One whole run in memory. */
export async function runInMemory(
  model: MaskedModel,
  input: BigInt64Array,
  records: number,
  options: RunOptions = {},
): Promise<Run> {
  const sessions = openSessions(model, records, options);
  await Promise.all([sessions.server.prepare(), sessions.client.prepare()]);
  const [observer0, observer1] = options.observers ?? [];
  if (observer0) sessions.server.observe(observer0);
  if (observer1) sessions.client.observe(observer1);
  const [result] = await Promise.all([
    sessions.client.run(input),
    sessions.server.run(options.beforeReveal ?? (() => undefined)),
  ]);
  return { ...sessions, result };
}
