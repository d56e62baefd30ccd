import { PlanError } from "./error.js";

/** Reads the fields of untrusted JSON, each once; every error names the path of the field. */
export class FieldReader {
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #read = new Set<string>();

  constructor(
    value: unknown,
    readonly path: string,
  ) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(path, "an object");
    this.#fields = new Map(Object.entries(value));
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  raw(name: string): unknown {
    this.#read.add(name);
    return this.#fields.get(name);
  }

  at(name: string): string {
    return `${this.path}.${name}`;
  }

  integer(name: string, least: number, most: number): number {
    return integer(this.raw(name), this.at(name), least, most);
  }

  boolean(name: string): boolean {
    const value = this.raw(name);
    if (typeof value !== "boolean") throw malformed(this.at(name), "true or false");
    return value;
  }

  text(name: string): string {
    return text(this.raw(name), this.at(name));
  }

  oneOf<T extends string | number>(name: string, allowed: readonly T[]): T {
    const value = this.raw(name);
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw malformed(this.at(name), `one of ${allowed.join(", ")}`);
    return found;
  }

  list<T>(name: string, most: number, read: (value: unknown, path: string, index: number) => T): T[] {
    return list(this.raw(name), this.at(name), most, read);
  }

  object(name: string): FieldReader {
    return new FieldReader(this.raw(name), this.at(name));
  }

  /** Refuses fields that nobody read: a stranger's plan means exactly what we understand of it. */
  end(): void {
    for (const name of this.#fields.keys())
      if (!this.#read.has(name)) throw malformed(`${this.path}.${name.slice(0, 64)}`, "absent: no such field is known");
  }
}

const PUBLISHED = "Take the plan as the access point published it, or publish the model again.";

export function malformed(path: string, expected: string, hint = PUBLISHED): PlanError {
  return new PlanError("INVALID_PLAN", `${path} must be ${expected}`, hint);
}

export function integer(value: unknown, path: string, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || Object.is(value, -0) || value < least || value > most)
    throw malformed(path, `an integer from ${least} to ${most}`);
  return value;
}

export function finite(value: unknown, path: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw malformed(path, "a finite number");
  return value;
}

export function text(value: unknown, path: string): string {
  if (typeof value !== "string" || value.length === 0 || value.length > 256)
    throw malformed(path, "a text of 1 to 256 characters");
  // RFC 8785 has no form for a lone surrogate, and a control character would let a name forge a line of a log.
  if (!value.isWellFormed() || /\p{Cc}/u.test(value)) throw malformed(path, "a text without control characters");
  return value;
}

export function list<T>(
  value: unknown,
  path: string,
  most: number,
  read: (value: unknown, path: string, index: number) => T,
): T[] {
  if (!Array.isArray(value) || value.length > most) throw malformed(path, `a list of at most ${most} entries`);
  return Array.from(value, (entry: unknown, index) => read(entry, `${path}[${index}]`, index)); // visits holes, too
}
