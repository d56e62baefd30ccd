import { createHash } from "node:crypto";
import serialize from "canonicalize";
import type { Plan } from "./plan.js";

const DOMAIN = "parley/v1/plan";

/** The plan as it is stored and hashed: RFC 8785 JSON in UTF-8. */
export function encodePlan(plan: Plan): Uint8Array {
  const text = serialize(plan);
  if (text === undefined) throw new TypeError("a plan is a JSON object");
  return new TextEncoder().encode(text);
}

/** SHA-256 over "parley/v1/plan" and the plan's RFC 8785 JSON, 32 bytes. It stands in the agreement. */
export function planDigest(plan: Plan): Uint8Array {
  return new Uint8Array(createHash("sha256").update(DOMAIN).update(encodePlan(plan)).digest());
}
