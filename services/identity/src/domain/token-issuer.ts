import { TOKEN_AUDIENCE, TOKEN_ISSUER, type Peer } from "@parley/service-kit";
import { SignJWT, calculateJwkThumbprint, exportJWK } from "jose";
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

const VALID_SECONDS = 15 * 60;

/** Signs tokens for router services: EdDSA, bound to the caller's certificate (RFC 8705). */
export class TokenIssuer {
  private constructor(
    private readonly key: KeyObject,
    private readonly kid: string,
    /** JSON Web Key Set. */
    readonly jwks: string,
  ) {}

  static async create(privateKeyPem: string): Promise<TokenIssuer> {
    const key = createPrivateKey(privateKeyPem);
    const jwk = await exportJWK(createPublicKey(key));
    const kid = await calculateJwkThumbprint(jwk);
    return new TokenIssuer(key, kid, JSON.stringify({ keys: [{ ...jwk, kid, alg: "EdDSA", use: "sig" }] }));
  }

  async issue(peer: Peer): Promise<{ token: string; expires: Date }> {
    const expires = new Date(Date.now() + VALID_SECONDS * 1000);
    const token = await new SignJWT({ role: peer.role, cnf: { "x5t#S256": peer.thumbprint.toString("base64url") } })
      .setProtectedHeader({ alg: "EdDSA", kid: this.kid })
      .setIssuer(TOKEN_ISSUER)
      .setAudience(TOKEN_AUDIENCE)
      .setSubject(peer.org)
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(this.key);
    return { token, expires };
  }
}
