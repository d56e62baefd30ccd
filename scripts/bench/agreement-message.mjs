import { fleet } from "../../libs/proto/dist/index.js";

export const { PARTY_SERVER, PARTY_CLIENT } = fleet.Party;

/** An agreement as it came through the channel between processes (bytes may be plain arrays), as a worker takes it. */
export const agreementMessage = (plain) =>
  Object.fromEntries(
    Object.entries(plain).map(([key, value]) => [key, value instanceof Uint8Array ? Buffer.from(value) : value]),
  );
