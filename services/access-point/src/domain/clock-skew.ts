/**
 * Seconds that the own clock is ahead of identity's, from the time in a token that it has just signed. Between the question
 * and the answer nothing can be told apart: within that time, and within the second that the token states, there is no skew.
 * @param askedAt milliseconds since 1970
 * @returns undefined where the token states no time
 */
export function skewOf(token: string, askedAt: number, answeredAt: number): number | undefined {
  try {
    const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8");
    const { iat } = JSON.parse(payload) as { iat?: unknown };
    if (typeof iat !== "number" || !Number.isFinite(iat)) return undefined;
    const [earliest, latest] = [iat, iat + 1];
    if (askedAt / 1_000 > latest) return askedAt / 1_000 - latest;
    if (answeredAt / 1_000 < earliest) return answeredAt / 1_000 - earliest;
    return 0;
  } catch {
    return undefined;
  }
}
