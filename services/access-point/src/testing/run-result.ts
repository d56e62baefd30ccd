import { fleet } from "@parley/proto";

/** What a worker answers to an order: integers that tell which record they belong to. */
export function resultOf(order: fleet.RunOrder, first = 0, width = 10): fleet.RunResult {
  const integers = BigInt64Array.from({ length: order.records * width }, (_, i) => BigInt(first * width + i) - 3n);
  return fleet.RunResult.fromPartial({
    attemptId: order.attemptId,
    run: order.run,
    output: Buffer.from(integers.buffer),
    revealed: true,
    timings: {
      onlineMicros: 1000n,
      bindMicros: 10n,
      offlineMicros: 500n,
      messages: 10,
      bytesP1ToP0: 7n,
      bytesP0ToP1: 8n,
    },
  });
}
