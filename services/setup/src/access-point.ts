import { credentials } from "@grpc/grpc-js";
import { createClient, member } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { NewSecret, Secrets } from "./kubernetes.js";

const DAY_SECONDS = 86_400;
const TOKEN_DAYS = 30;
const LOOK_MS = 10_000;
const AGAIN_MS = 1_000;
const CLOCK = { lookMs: LOOK_MS, againMs: AGAIN_MS, now: Date.now };

export interface AccessPointSettings {
  readonly release: string;
  /** The access point's folder. */
  readonly folder: string;
  /** File with the administrator's key where the access point was given one. */
  readonly adminKeyFile?: string;
  /** host:port under which members reach the access point. */
  readonly address: string;
  /** host:port of the access point from here. */
  readonly local: string;
}

interface Profile {
  readonly ca: string;
  readonly apiKey: string;
}

/**
 * Keeps two Secrets beside a running access point: R-admin, its administrator's profile, and R-worker-token, the reusable
 * token of its workers, made anew at each start, at half of its life, and where somebody deleted the Secret: so it is replaced
 * once its tokens are revoked. Ends when `signal` aborts.
 */
export async function keepAccessPoint(
  secrets: Secrets,
  settings: AccessPointSettings,
  logger: Logger,
  signal: AbortSignal,
  { lookMs, againMs, now } = CLOCK,
): Promise<void> {
  let renewAt = 0;
  while (!signal.aborted) {
    let wait = lookMs;
    try {
      const profile = readProfile(settings);
      if (!profile) wait = againMs;
      else {
        await publishProfile(secrets, settings, profile);
        if (now() >= renewAt || !(await secrets.get(tokenSecretOf(settings)))) {
          await publishWorkerToken(secrets, settings, profile);
          renewAt = now() + (TOKEN_DAYS * DAY_SECONDS * 1000) / 2;
          logger.info({ release: settings.release }, "the administrator's profile and the workers' token are current");
        }
      }
    } catch (error) {
      wait = againMs;
      logger.warn({ err: error }, "could not bring the Secrets up to date yet, trying again");
    }
    await pause(wait, undefined, { signal }).catch(() => undefined);
  }
}

function readProfile({ folder, adminKeyFile }: AccessPointSettings): Profile | undefined {
  const [ca, key] = [join(folder, "ca.pem"), adminKeyFile ?? join(folder, "admin-key")];
  if (!existsSync(ca) || !existsSync(key)) return undefined;
  return { ca: readFileSync(ca, "utf8"), apiKey: readFileSync(key, "utf8").trim() };
}

async function publishProfile(secrets: Secrets, { release, address }: AccessPointSettings, { ca, apiKey }: Profile) {
  const data = { address: Buffer.from(address), "ca.crt": Buffer.from(ca), "api-key": Buffer.from(apiKey) };
  await put(secrets, `${release}-admin`, { data });
}

const tokenSecretOf = ({ release }: AccessPointSettings) => `${release}-worker-token`;

async function publishWorkerToken(secrets: Secrets, settings: AccessPointSettings, { ca, apiKey }: Profile) {
  const client = createClient(member.MemberServiceService, {
    address: settings.local,
    credentials: credentials.createSsl(Buffer.from(ca)),
    metadata: () => ({ authorization: `Bearer ${apiKey}` }),
  });
  try {
    const { token } = await client.createWorkerToken({ validSeconds: TOKEN_DAYS * DAY_SECONDS, reusable: true });
    await put(secrets, tokenSecretOf(settings), { data: { token: Buffer.from(token) } });
  } finally {
    client.close();
  }
}

/** Writes a Secret where it differs. @throws Error where somebody else keeps changing it */
async function put(secrets: Secrets, name: string, secret: NewSecret) {
  for (let tries = 0; tries < 5; tries++) {
    const held = await secrets.get(name);
    if (!held) {
      if (await secrets.create(name, secret)) return;
    } else {
      const same = Object.entries(secret.data).every(([key, bytes]) => held.data[key]?.equals(bytes));
      if (same || (await secrets.replace(name, secret, held))) return;
    }
  }
  throw new Error(`Secret ${name} is changed by somebody else all the time`);
}
