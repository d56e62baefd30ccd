import { Code, ParleyError } from "@parley/proto";
import { seconds, type VaultDatabase } from "./database.js";

export const ROLES = ["admin", "publisher", "scientist", "auditor"] as const;
export type Role = (typeof ROLES)[number];

export interface User {
  readonly user: string;
  readonly roles: readonly Role[];
}

/** API keys and workers' tokens, each as SHA-256 only. */
export class AccessKeys {
  constructor(private readonly database: VaultDatabase) {}

  /** @throws ParleyError ALREADY_EXISTS for a user who has a key */
  addKey(hash: Buffer, { user, roles }: User) {
    const added = this.database.run(
      `INSERT OR IGNORE INTO api_keys (hash, user, roles, created_at) VALUES (:hash, :user, :roles, :at)`,
      { hash: hash.toString("hex"), user, roles: roles.join(","), at: seconds() },
    );
    if (added === 0)
      throw new ParleyError(
        Code.ALREADY_EXISTS,
        "USER_EXISTS",
        `user ${user} has an API key already`,
        "Choose another name for this key.",
      );
  }

  /** Found by the hash of the presented key: how long it takes says nothing of a key that is close to a right one. */
  findUser(hash: Buffer): User | undefined {
    const row = this.database.get<{ user: string; roles: string }>(
      `SELECT user, roles FROM api_keys WHERE hash = :hash`,
      { hash: hash.toString("hex") },
    );
    return row && { user: row.user, roles: row.roles.split(",") as Role[] };
  }

  /** Users with a key, by name. */
  users(): User[] {
    const rows = this.database.all<{ user: string; roles: string }>(`SELECT user, roles FROM api_keys ORDER BY user`);
    return rows.map(({ user, roles }) => ({ user, roles: roles.split(",") as Role[] }));
  }

  removeKey(user: string) {
    this.database.run(`DELETE FROM api_keys WHERE user = :user`, { user });
  }

  hasKeys(): boolean {
    return this.database.get(`SELECT 1 FROM api_keys LIMIT 1`) !== undefined;
  }

  /** The key of a user from now on; the one before is of no use any more. @returns whether it is another one */
  replaceKey(hash: Buffer, { user, roles }: User): boolean {
    return (
      this.database.run(
        `INSERT INTO api_keys (hash, user, roles, created_at) VALUES (:hash, :user, :roles, :at)
         ON CONFLICT (user) DO UPDATE SET hash = :hash, roles = :roles, created_at = :at WHERE hash <> :hash`,
        { hash: hash.toString("hex"), user, roles: roles.join(","), at: seconds() },
      ) > 0
    );
  }

  addWorkerToken(hash: Buffer, expires: Date, reusable = false) {
    this.database.run(`INSERT INTO worker_tokens (hash, expires_at, reusable) VALUES (:hash, :expires, :reusable)`, {
      hash: hash.toString("hex"),
      expires: expires.getTime() / 1000,
      reusable: reusable ? 1 : 0,
    });
  }

  /** Ends every token that could still be taken. @returns how many */
  endWorkerTokens(now = seconds()): number {
    return this.database.run(
      `UPDATE worker_tokens SET expires_at = :now WHERE expires_at > :now AND (used_at IS NULL OR reusable = 1)`,
      { now },
    );
  }

  /** Takes a token; true before it expires, and once only where it is not reusable. */
  takeWorkerToken(hash: Buffer, now = seconds()): boolean {
    return (
      this.database.run(
        `UPDATE worker_tokens SET used_at = :now WHERE hash = :hash AND (used_at IS NULL OR reusable = 1) AND expires_at > :now`,
        { hash: hash.toString("hex"), now },
      ) === 1
    );
  }
}
