import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { repository } from "../system/index.js";

/** Names of values that must not be logged, put into errors' details or into traces, whatever object they stand in. */
const SECRET =
  /\b(token|tokens|ticket|secret|apiKey|authorization|privateKey|privateKeyPem|input|inputs|output|outputs|result|weights|masked|share|shares|mask|chunk|frame|payload|key|keys|jws|jwt|values|logits|corrections|body|request|metadata)\b/;
const ALLOWED_FIELDS = new Set([
  // "request" is the kind of a worker's request; "mask" the public mask id
  "request: body?.$case",
  "mask: mask.id",
]);

interface Source {
  readonly path: string;
  /** Without comments. */
  readonly code: string;
}

const TESTS = /(\.spec\.ts$|[/\\](testing|spec-support)[/\\])/;

function sources(...roots: string[]): Source[] {
  return roots
    .flatMap((root) => (existsSync(join(repository, root)) ? [root] : []))
    .flatMap((root) =>
      readdirSync(join(repository, root), { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile() && e.name.endsWith(".ts"))
        .map((e) => join(e.parentPath, e.name)),
    )
    .filter(
      (path) =>
        /[/\\]src[/\\]/.test(path) && !/node_modules|[/\\]dist[/\\]|[/\\]gen[/\\]/.test(path) && !TESTS.test(path),
    )
    .map((path) => ({ path: relative(repository, path), code: withoutComments(readFileSync(path, "utf8")) }));
}

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");

/** Arguments of each call of `name(`, to its closing bracket. */
function calls(code: string, name: RegExp): string[] {
  const found: string[] = [];
  for (const match of code.matchAll(name)) {
    let depth = 1;
    let at = match.index + match[0].length;
    for (; at < code.length && depth > 0; at++)
      depth += "([{".includes(code[at]) ? 1 : ")]}".includes(code[at]) ? -1 : 0;
    found.push(code.slice(match.index + match[0].length, at - 1));
  }
  return found;
}

const where = (all: readonly Source[], pattern: RegExp) =>
  all.filter(({ code }) => pattern.test(code)).map(({ path }) => path);

describe("the sources", () => {
  const all = sources("libs", "services");
  const production = all.filter(({ path }) => !/^libs[/\\](cli|sdk|testing)[/\\]/.test(path));

  it("are found", () => {
    expect(all.length).toBeGreaterThan(300);
    expect(production.some(({ path }) => path.includes("access-point"))).toBe(true);
  });

  it("draw randomness from node:crypto alone", () => {
    expect(where(all, /Math\.random|getRandomValues|randomUUID/)).toEqual([]);
    expect(where(all, /from "(?:uuid|nanoid|seedrandom)"/)).toEqual([]);
  });

  it("write to a console in the command line alone, and log in services with the one logger", () => {
    expect(where(production, /\bconsole\.\w+\(/)).toEqual([]);
    // `parley self-test` is a command for people.
    expect(where(production, /\bprocess\.stdout\.write\(/)).toEqual([
      join("services", "setup", "src", "self-test", "main.ts"),
    ]);
    expect(where(production, /from "pino"/)).toEqual([join("libs", "service-kit", "src", "telemetry", "logger.ts")]);
  });

  it("log no field that names a secret", () => {
    const logged = production.flatMap(({ path, code }) =>
      calls(code, /\blogger\s*\.(?:trace|debug|info|warn|error|fatal)\(/g).map((args) => ({ path, args })),
    );
    expect(logged.length).toBeGreaterThan(30);
    const fields = logged.flatMap(({ path, args }) =>
      (/^\s*\{([\s\S]*?)\}\s*(?:,|$)/.exec(args)?.[1] ?? "")
        .split(",")
        .map((field) => field.trim())
        .filter((field) => field !== "" && !ALLOWED_FIELDS.has(field) && SECRET.test(field.split(":")[0]))
        .map((field) => `${path}: ${field}`),
    );
    expect(fields).toEqual([]);
    // What is not a field is a fixed text: nothing is put into it.
    const texts = logged.map(({ path, args }) => `${path}: ${args.replace(/^\s*\{[\s\S]*\}\s*,\s*/, "")}`);
    expect(texts.filter((text) => text.includes("${"))).toEqual([]);
  });

  it("take no certificate unchecked but at first contact, where it is compared by hand, and where a probe says what is wrong with it", () => {
    expect(where(all, /rejectUnauthorized:\s*false/)).toEqual([
      join("libs", "agreement", "src", "issuer-authority.ts"),
      join("libs", "proto", "src", "probe", "handshake.ts"),
    ]);
    expect(
      where(all, /NODE_TLS_REJECT_UNAUTHORIZED|createInsecure\(\)/).filter((path) => !/health/.test(path)),
    ).toEqual([]);
  });

  it("keep shares, masks and keys of the engine out of text and JSON", () => {
    const engine = production.filter(({ path }) => /^libs[/\\](protocol|correlation|ring)[/\\]/.test(path));
    expect(engine.length).toBeGreaterThan(20);
    expect(where(engine, /JSON\.stringify|toString\("(?:hex|base64|base64url|latin1)"\)/)).toEqual([]);
  });
});
