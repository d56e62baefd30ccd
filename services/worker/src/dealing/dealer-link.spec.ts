import { Code } from "@parley/proto";
import { testOrganisation } from "@parley/service-kit/testing";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, it } from "vitest";
import type { WorkingAgreement } from "../models/agreement.js";
import { DealerLink } from "./dealer-link.js";

it("says that the dealer is away where nobody answers at its address, before its partner loses patience", async () => {
  const [own, other] = await Promise.all(["clinic-b", "dealer"].map(testOrganisation));
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket.on("error", () => {}))).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const link = new DealerLink(await own.certificate("worker"), 60_000, 200);
  const agreement = {
    dealer: { org: other.id, bundle: [] as Uint8Array[] },
    dealerAddress: `127.0.0.1:${(silent.address() as AddressInfo).port}`,
  } as unknown as WorkingAgreement;
  try {
    await expect(link.createBatches(agreement, Buffer.alloc(32), 1, 1)).rejects.toMatchObject({
      code: Code.UNAVAILABLE,
      reason: "DEALER_UNREACHABLE",
    });
  } finally {
    link.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
});
