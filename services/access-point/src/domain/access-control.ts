import { Code, ParleyError } from "@parley/proto";
import type { CallContext } from "@parley/service-kit";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROLES, type Role, type User } from "../store/access-keys.js";
import type { Vault } from "../store/vault.js";
import { denied, invalid, notFound, precondition } from "./refusal.js";
import { writeSecretFile } from "./secret-file.js";

const hashOf = (key: string) => createHash("sha256").update(key).digest();
/** 32 random bytes: nothing that a dictionary could hold, so a plain hash is enough. */
const newKey = () => `prl_${randomBytes(32).toString("base64url")}`;

/** Who of this organisation may do what: API keys with roles. */
export class AccessControl {
  constructor(
    private readonly vault: Vault,
    private readonly org: string,
  ) {}

  /**
   * The administrator's key: the one in `file` where one is given, at each start; else made on the first start and written
   * to the file `admin-key`.
   * @throws ParleyError FAILED_PRECONDITION where the file holds no key
   */
  ensureAdminKey(file?: string) {
    if (file !== undefined) return this.takeAdminKey(file);
    if (this.vault.keys.hasKeys()) return;
    const path = join(this.vault.folder, "admin-key");
    const key = newKey();
    writeSecretFile(path, key);
    this.vault.database.transaction(() => {
      this.vault.keys.addKey(hashOf(key), { user: "admin", roles: ["admin"] });
      this.vault.audit.append({
        action: "key.created",
        actor: this.org,
        subject: "admin",
        details: { roles: "admin" },
      });
    });
  }

  private takeAdminKey(file: string) {
    const key = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
    if (!/^[\x21-\x7e]{32,}$/.test(key))
      throw precondition(
        "ADMIN_KEY_FILE",
        "the file of PARLEY_ADMIN_KEY_FILE holds no key of at least 32 characters",
        "Write one: openssl rand -base64 32",
      );
    this.vault.database.transaction(() => {
      if (!this.vault.keys.replaceKey(hashOf(key), { user: "admin", roles: ["admin"] })) return;
      this.vault.audit.append({
        action: "key.created",
        actor: this.org,
        subject: "admin",
        details: { roles: "admin", from: "file" },
      });
    });
  }

  get adminKeyFile(): string | undefined {
    const path = join(this.vault.folder, "admin-key");
    return existsSync(path) ? path : undefined;
  }

  /** The caller, where one of its roles is among `allowed`; "admin" may do everything. @throws ParleyError UNAUTHENTICATED, PERMISSION_DENIED */
  require(context: CallContext, ...allowed: readonly Role[]): User {
    const presented = /^Bearer (\S+)$/.exec(context.metadata.get("authorization")[0]?.toString() ?? "")?.[1];
    const user = presented === undefined ? undefined : this.vault.keys.findUser(hashOf(presented));
    if (!user)
      throw new ParleyError(
        Code.UNAUTHENTICATED,
        "API_KEY_REFUSED",
        presented === undefined ? "no API key was sent" : `the API key is not one of ${this.org}`,
        "Use a profile with a current API key: `parley login`.",
      );
    if (!user.roles.includes("admin") && !user.roles.some((role) => allowed.includes(role)))
      throw denied(
        "ROLE_MISSING",
        `${user.user} has role ${user.roles.join(", ")}; this needs ${["admin", ...allowed].join(" or ")}`,
        "Ask an administrator of your organisation for a key with that role.",
      );
    return user;
  }

  /** Makes a key; the only time it is shown. @throws ParleyError INVALID_ARGUMENT, ALREADY_EXISTS */
  createKey(user: string, roles: readonly string[], by: string, traceId: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$/.test(user))
      throw invalid("USER_NAME", "a user name has 1 to 100 letters, digits, dots, underscores, @ and hyphens", "");
    const known = ROLES.filter((role) => roles.includes(role));
    if (known.length === 0 || known.length !== new Set(roles).size)
      throw invalid("ROLES", `roles must be some of ${ROLES.join(", ")}`, "Name at least one.");
    const key = newKey();
    this.vault.database.transaction(() => {
      this.vault.keys.addKey(hashOf(key), { user, roles: known });
      this.vault.audit.append({
        action: "key.created",
        actor: `${this.org}/${by}`,
        subject: user,
        traceId,
        details: { roles: known.join(",") },
      });
    });
    return key;
  }

  /** Withdraws a key: its next call is refused. @throws ParleyError NOT_FOUND; FAILED_PRECONDITION for the last administrator's */
  revokeKey(user: string, by: string, traceId: string) {
    this.vault.database.transaction(() => {
      const users = this.vault.keys.users();
      const held = users.find((one) => one.user === user);
      if (!held)
        throw notFound("USER_UNKNOWN", `${this.org} has no API key of ${user.slice(0, 100)}`, "Check the name.");
      if (held.roles.includes("admin") && users.filter(({ roles }) => roles.includes("admin")).length === 1)
        throw precondition(
          "LAST_ADMINISTRATOR",
          `${user} has the only key of an administrator`,
          "Make another one first: `parley org api-key NAME --roles admin`.",
        );
      this.vault.keys.removeKey(user);
      this.vault.audit.append({ action: "key.revoked", actor: `${this.org}/${by}`, subject: user, traceId });
    });
  }
}
