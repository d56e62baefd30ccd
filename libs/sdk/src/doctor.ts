import { Code, Findings, fromServiceError, isFailed, probeConnection, type common } from "@parley/proto";
import { isAway } from "./retry.js";
import { Parley } from "./parley.js";
import { loadProfile, type Profile } from "./profile.js";

/** How to look. */
export interface CheckOptions {
  /** Version of the program that asks. */
  readonly version: string;
  /** How long a connection is held without a word, milliseconds. */
  readonly idleMs: number;
  /** For each step of the connection to the access point, milliseconds; 5000 by default. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const SOURCE = "here";
const TARGET = "access-point";

/**
 * Checks an installation, as far as it can be seen from here: the profile, the way to the access point, and then what the access
 * point and its workers see. Findings come as they are made; what cannot be looked at any more is said, not thrown.
 */
export async function* checkInstallation(
  profile: string | Profile | undefined,
  options: CheckOptions,
): AsyncGenerator<common.Finding, void> {
  const local = new Findings(SOURCE, "profile");
  let known: Profile;
  try {
    known = typeof profile === "object" ? profile : loadProfile(profile);
  } catch (error) {
    const { message, hint } = fromServiceError(error);
    yield local.failed("profile", message, hint || "Make it again with: parley login");
    return;
  }
  const { address, ca, apiKey } = known;
  yield local.ok("profile", address);
  let isBarred = false;
  const place = { source: SOURCE, target: TARGET, address, tls: { ca: [ca] }, ...options };
  for await (const finding of probeConnection({ ...place, metadata: { authorization: `Bearer ${apiKey}` } })) {
    isBarred ||= isFailed(finding) && finding.check !== "keepalive" && finding.check !== "clock";
    yield finding;
  }
  const further = new Findings(TARGET, "router, dealer and partners");
  if (isBarred)
    yield further.skipped("check", "not looked at: the access point is not reached", "Mend the way to it first.");
  else yield* fromAccessPoint(known, options, further);
}

async function* fromAccessPoint(profile: Profile, { idleMs, signal }: CheckOptions, further: Findings) {
  const parley = Parley.connect(profile);
  try {
    const { user, roles } = await parley.whoAmI();
    yield new Findings(SOURCE, TARGET, profile.address).ok("user", `${user} (${roles.join(", ")})`);
    if (!roles.includes("admin")) {
      yield further.skipped("check", "only administrators may look further", "Use an administrator's profile.");
      return;
    }
    for await (const { findings } of parley.client.checkConnections({ idleMs }, { signal })) yield* findings;
  } catch (caught) {
    const { code, message, hint } = fromServiceError(caught);
    if (code === Code.UNIMPLEMENTED)
      yield further.skipped("check", "the access point is older than checks", "Upgrade it to look further.");
    else
      yield further.failed(
        "check",
        isAway(caught) ? "the access point went away meanwhile" : message,
        hint || "See the access point's log.",
      );
  } finally {
    parley.close();
  }
}
