import { ATTRIBUTES, type AttributeName } from "./names.js";
import { state, type AttributeValues } from "./state.js";

/** Longest value that leaves: ids, names and reasons are shorter. */
const MOST = 128;

/**
 * What may leave under `owner`: its attributes of the allow list, with values of their type. Everything else is dropped, and
 * throws in tests.
 */
export function allowed(owner: string, names: readonly AttributeName[], given: AttributeValues): AttributeValues {
  let kept: Record<string, string | number | boolean> | undefined;
  for (const name in given) {
    const value = given[name as AttributeName];
    if (value !== undefined && isAllowed(names, name, value)) continue;
    if (value !== undefined && state.strict) throw new Error(`attribute ${name} is not one of ${owner}, see names.ts`);
    kept ??= Object.fromEntries(
      Object.entries(given).filter(([key, entry]) => entry !== undefined && isAllowed(names, key, entry)),
    );
  }
  return kept ?? given;
}

function isAllowed(names: readonly AttributeName[], name: string, value: string | number | boolean): boolean {
  if (!names.includes(name as AttributeName)) return false;
  if (typeof value !== ATTRIBUTES[name as AttributeName].type) return false;
  return typeof value !== "string" || value.length <= MOST;
}
