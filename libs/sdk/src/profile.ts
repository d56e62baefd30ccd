import { Code, ParleyError } from "@parley/proto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";

/** How to reach one's own access point. Kept in a file of mode 0600, because it holds the API key. */
export interface Profile {
  /** host:port of the access point's member service. */
  readonly address: string;
  /** Certificate authority of the access point, PEM. */
  readonly ca: string;
  readonly apiKey: string;
}

const schema = z.object({
  address: z.string().regex(/^([^\s:/]+|\[[0-9a-f:]+\]):\d+$/i, "give it as host:port"),
  ca: z.string().includes("BEGIN CERTIFICATE"),
  apiKey: z.string().min(16),
});
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Folders that may hold profiles, first the nearest: $PARLEY_HOME alone where set, else every `.parley` upwards, then the user's config folder. */
export function profileFolders(from = process.cwd()): string[] {
  if (process.env.PARLEY_HOME) return [resolve(process.env.PARLEY_HOME)];
  const folders: string[] = [];
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    if (existsSync(join(dir, ".parley"))) folders.push(join(dir, ".parley"));
    if (dir === dirname(dir)) break;
  }
  return [...folders, join(process.env.XDG_CONFIG_HOME ?? join(homedir(), ".config"), "parley")];
}

const fileOf = (folder: string, name: string) => join(folder, "profiles", `${name}.json`);

/** Names of the profiles that can be found, nearest first, each once. */
export function listProfiles(): string[] {
  const names = profileFolders().flatMap((folder) => {
    const dir = join(folder, "profiles");
    return existsSync(dir)
      ? readdirSync(dir)
          .filter((f) => f.endsWith(".json"))
          .map((f) => f.slice(0, -5))
      : [];
  });
  return [...new Set(names)].sort();
}

/**
 * The profile of a folder with files `address`, `ca.crt` and `api-key`, as a mounted Secret has them: $PARLEY_PROFILE_DIR.
 * @throws ParleyError NOT_FOUND where they are not there yet
 */
function mountedProfile(folder: string): Profile {
  const read = (name: string) => {
    const file = join(folder, name);
    return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  };
  const parsed = schema.safeParse({ address: read("address"), ca: `${read("ca.crt")}\n`, apiKey: read("api-key") });
  if (parsed.success) return parsed.data;
  const names = parsed.error.issues.map(
    ({ path }) => ({ ca: "ca.crt", apiKey: "api-key" })[String(path[0])] ?? path[0],
  );
  throw new ParleyError(
    Code.NOT_FOUND,
    "PROFILE_NOT_FOUND",
    `the folder of PARLEY_PROFILE_DIR lacks ${names.join(", ")}`,
    "They appear within two minutes after the access point has started; or choose a profile with --profile NAME.",
  );
}

/**
 * Reads a profile. Without a name: $PARLEY_PROFILE, else the one of $PARLEY_PROFILE_DIR, else "default", else the only one there is.
 * @throws ParleyError NOT_FOUND, naming the profiles that exist; INVALID_ARGUMENT where the file is damaged.
 */
export function loadProfile(name = process.env.PARLEY_PROFILE): Profile {
  if (name === undefined && process.env.PARLEY_PROFILE_DIR) return mountedProfile(process.env.PARLEY_PROFILE_DIR);
  const known = listProfiles();
  const chosen = name ?? (known.includes("default") || known.length !== 1 ? "default" : known[0]);
  if (!NAME.test(chosen)) throw invalidName(chosen);
  const file = profileFolders()
    .map((folder) => fileOf(folder, chosen))
    .find(existsSync);
  if (!file) {
    const list = known.length
      ? `Known profiles: ${known.join(", ")}; choose one with --profile NAME.`
      : "Make one with: parley login";
    throw new ParleyError(Code.NOT_FOUND, "PROFILE_NOT_FOUND", `there is no profile "${chosen}"`, list);
  }
  const parsed = schema.safeParse(readJson(file));
  if (!parsed.success) {
    const where = parsed.error.issues.map((issue) => issue.path.join(".")).join(", ");
    throw new ParleyError(
      Code.INVALID_ARGUMENT,
      "PROFILE_DAMAGED",
      `profile "${chosen}" is damaged (${where || "not JSON"})`,
      "Make it again with: parley login",
    );
  }
  return parsed.data;
}

/** Writes a profile and returns its file. `folder`: by default the nearest profile folder, else the user's config folder. */
export function saveProfile(name: string, profile: Profile, folder = profileFolders()[0]): string {
  if (!NAME.test(name)) throw invalidName(name);
  const checked = schema.safeParse(profile);
  if (!checked.success) {
    const { path, message } = checked.error.issues[0];
    throw new ParleyError(
      Code.INVALID_ARGUMENT,
      "PROFILE_INVALID",
      `this is no profile: ${path.join(".")}: ${message}`,
      "Give the address as host:port, the access point's ca.pem and an API key.",
    );
  }
  mkdirSync(join(folder, "profiles"), { recursive: true, mode: 0o700 });
  const file = fileOf(folder, name);
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(checked.data, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file); // whole or not at all, and never with the mode of an older file
  return file;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

const invalidName = (name: string) =>
  new ParleyError(
    Code.INVALID_ARGUMENT,
    "PROFILE_NAME",
    `"${name}" is not a profile name`,
    "Use lower-case letters, digits, dots and hyphens.",
  );
