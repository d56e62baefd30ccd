import { Code, ParleyError, type fleet, type ServiceClient } from "@parley/proto";
import { createLogger } from "@parley/service-kit";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FleetLink } from "./fleet-link.js";

type Client = ServiceClient<typeof fleet.FleetServiceService>;

const result: fleet.RunResult = {
  attemptId: "att_1",
  run: 0,
  output: Buffer.alloc(8),
  code: 0,
  reason: "",
  message: "",
  retryable: false,
  revealed: true,
  timings: undefined,
};

const nothing = () => {};
const events = {
  agreements: nothing,
  run: nothing,
  cancel: nothing,
  target: nothing,
  drain: nothing,
  probe: nothing,
  revoked: nothing,
};
const settings = { name: "w", endpoint: () => "", concurrency: 1 };

describe("the control stream to the access point", () => {
  let link: FleetLink | undefined;
  afterEach(() => link?.close());

  it("hands over a result that was finished after the hello had left and before it was answered", async () => {
    let answer = () => {};
    const answering = new Promise<void>((resolve) => (answer = resolve));
    const got: fleet.AttachRequest[] = [];
    const attach: Client["attach"] = async function* (requests) {
      const read = requests[Symbol.asyncIterator]();
      got.push((await read.next()).value as fleet.AttachRequest);
      await answering;
      yield { replyTo: 0n, body: { $case: "agreements", value: { agreements: [] } } };
      for (let next = await read.next(); !next.done; next = await read.next()) {
        got.push(next.value);
        const value = { code: 0, reason: "", message: "", hint: "" };
        yield { replyTo: next.value.requestId, body: { $case: "reply", value } };
      }
    };
    link = new FleetLink({ attach } as Client, settings, events, createLogger("worker", "silent")).start();
    await vi.waitFor(() => expect(got).toHaveLength(1));
    const delivered = link.deliver(result);
    answer();
    await delivered;
    expect(got.map(({ body }) => body?.$case)).toEqual(["hello", "runResult"]);
    expect(got[1].body?.value).toEqual(result);
  });

  it("is not opened again by a worker that was revoked, which ends", async () => {
    const attach = vi.fn<Client["attach"]>(async function* () {
      yield* [];
      throw new ParleyError(Code.PERMISSION_DENIED, "WORKER_REVOKED", "this worker was revoked");
    });
    const revoked = vi.fn();
    link = new FleetLink(
      { attach } as unknown as Client,
      settings,
      { ...events, revoked },
      createLogger("worker", "silent"),
    );
    link.start();
    await vi.waitFor(() => expect(revoked).toHaveBeenCalledOnce());
    await new Promise((resolve) => setTimeout(resolve, 300)); // longer than the wait before another try
    expect(attach).toHaveBeenCalledOnce();
  });
});
