import { parsePlan, type Plan } from "@parley/plan";

const MOST = 32;
const parsed = new Map<string, Plan>();

/** The plan of an agreement held here. It was checked when it was stored; reading it once per plan is enough. */
export function planOf({ plan, planDigest }: { readonly plan: Buffer; readonly planDigest: string }): Plan {
  const known = parsed.get(planDigest);
  if (known) return known;
  const read = parsePlan(JSON.parse(plan.toString("utf8")));
  if (parsed.size >= MOST) parsed.delete(parsed.keys().next().value!);
  parsed.set(planDigest, read);
  return read;
}
