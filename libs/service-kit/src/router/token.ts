import { Code, ParleyError } from "@parley/proto";
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from "jose";
import type { Peer } from "../tls/peer.js";

/** What identity says of a caller. */
export interface RouterToken {
  readonly org: string;
  readonly role: string;
}

export const TOKEN_ISSUER = "router/identity";
export const TOKEN_AUDIENCE = "router";

const refused = (message: string, cause?: unknown) =>
  new ParleyError(Code.UNAUTHENTICATED, "TOKEN_REFUSED", message, "Ask identity for a new token.", {}, { cause });

const REFRESH_MS = 30_000;
const MOST = 1_000;

interface Claims {
  readonly bound: unknown;
  readonly sub: unknown;
  readonly role: unknown;
  readonly until: number;
}

/** What a verified token says must fit the connection that it came over, each time. */
function admit({ bound, sub, role }: Claims, peer: Peer): RouterToken {
  if (bound !== peer.thumbprint.toString("base64url")) throw refused("the token is bound to another certificate");
  if (sub !== peer.org) throw refused("the token is for another organisation");
  return { org: peer.org, role: String(role ?? peer.role) };
}

/**
 * Verifies tokens of identity: EdDSA under its current keys, in time, bound to the certificate of the connection
 * (RFC 8705), for the organisation that the certificate names.
 */
export class TokenVerifier {
  #keys: ReturnType<typeof createLocalJWKSet> | undefined;
  #fetched = -Infinity;
  #fetching: Promise<void> | undefined;
  /** Tokens that were verified under the keys of now, with their end in milliseconds since 1970. */
  #verified = new Map<string, Claims>();

  /** @param fetchKeys the issuer's JSON Web Key Set; asked again for an unknown key, at most every 30 s */
  constructor(private readonly fetchKeys: () => Promise<JSONWebKeySet>) {}

  /** @throws ParleyError UNAUTHENTICATED */
  async verify(token: string | undefined, peer: Peer | undefined): Promise<RouterToken> {
    if (!token || !peer) throw refused("a token of identity and a client certificate are needed");
    if (!this.#keys) await this.refresh();
    try {
      return await this.check(token, peer);
    } catch (error) {
      const unknownKey = (error as { cause?: { code?: string } }).cause?.code === "ERR_JWKS_NO_MATCHING_KEY";
      if (!unknownKey || performance.now() - this.#fetched < REFRESH_MS) throw error;
      await this.refresh();
      return this.check(token, peer);
    }
  }

  private async check(token: string, peer: Peer): Promise<RouterToken> {
    const known = this.#verified.get(token);
    if (known && Date.now() < known.until) return admit(known, peer);
    const claims = await this.read(token);
    if (this.#verified.size >= MOST) this.#verified.clear();
    this.#verified.set(token, claims);
    return admit(claims, peer);
  }

  private async read(token: string): Promise<Claims> {
    if (!this.#keys) throw refused("the keys of identity are not known yet");
    const { payload } = await jwtVerify(token, this.#keys, {
      algorithms: ["EdDSA"],
      issuer: TOKEN_ISSUER,
      audience: TOKEN_AUDIENCE,
      requiredClaims: ["exp", "sub", "cnf"],
    }).catch((cause: unknown) => {
      throw refused("the token is not valid", cause);
    });
    const bound = (payload.cnf as { "x5t#S256"?: unknown })["x5t#S256"];
    return { bound, sub: payload.sub, role: payload.role, until: Number(payload.exp) * 1000 };
  }

  private async refresh() {
    this.#fetching ??= this.fetchKeys()
      .then((keys) => {
        this.#keys = createLocalJWKSet(keys);
        this.#verified.clear();
        this.#fetched = performance.now();
      })
      .finally(() => (this.#fetching = undefined));
    await this.#fetching;
  }
}
