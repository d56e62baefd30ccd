import { ParleyError } from "@parley/proto";
import { describe, expect, it } from "vitest";
import { Exchange, answerEach } from "./exchange.js";

const reasonOf = (call: Promise<unknown>) => call.then(String, (error: ParleyError) => error.reason);

describe("Exchange", () => {
  it("answers in order over one stream, and opens another after it broke", async () => {
    let streams = 0;
    const exchange = new Exchange<number, number>((requests, { signal }) => {
      streams++;
      return answerEach(requests, signal, async (n) => {
        await new Promise((resolve) => setTimeout(resolve, n === 1 ? 20 : 1));
        if (n < 0) throw new Error("gone");
        return n * 10;
      });
    });
    expect(await Promise.all([1, 2, 3].map((n) => exchange.ask(n)))).toEqual([10, 20, 30]);
    expect(streams).toBe(1);
    expect(await Promise.all([exchange.ask(-1), exchange.ask(4)].map(reasonOf))).toEqual(["INTERNAL", "INTERNAL"]);
    expect(await exchange.ask(5)).toBe(50);
    expect(streams).toBe(2);
    const pending = reasonOf(exchange.ask(1));
    exchange.close();
    expect(await pending).toBe("STREAM_BROKEN");
  });

  it("ends a stream on which an answer is missing", async () => {
    const answers = [new Promise<number>(() => {}), Promise.resolve(7)];
    const exchange = new Exchange<number, number>(
      (requests, { signal }) => answerEach(requests, signal, () => answers.shift()!),
      30,
    );
    expect(await Promise.all([1, 2].map((n) => reasonOf(exchange.ask(n))))).toEqual(["NO_ANSWER", "NO_ANSWER"]);
    expect(await exchange.ask(3)).toBe(7);
  });
});
