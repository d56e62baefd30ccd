import { parseOneTimeToken } from "@parley/agreement";
import { dealer as dealerProto, identity as identityProto } from "@parley/proto";
import { Parley } from "@parley/sdk";
import { connect } from "@parley/service-kit";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { images, missing, predict, publish, startRunning, type Published, type Running } from "../e2e/fixture.js";
import { authorityOf, certificateOf, enrolWith, makeOrganisation } from "./intruder.js";

interface Needle {
  readonly name: string;
  readonly bytes: Buffer;
}

/** A text in the encodings in which it might leak: as it is, hexadecimal, and base64 at each of the three phases. */
function needles(name: string, value: string | Buffer): Needle[] {
  const raw = Buffer.from(value);
  const base64 = [0, 1, 2].flatMap((phase) => {
    const from = (3 - phase) % 3;
    const whole = raw.subarray(from, from + 3 * Math.floor((raw.length - from) / 3));
    return [whole.toString("base64"), whole.toString("base64url")];
  });
  const forms = [raw, Buffer.from(raw.toString("hex")), ...base64.map((text) => Buffer.from(text))];
  return forms.filter((bytes) => bytes.length >= 16).map((bytes) => ({ name, bytes }));
}

/** The beginning of a JWT whose header begins with this text. */
const jwtStart = (header: string) => {
  const raw = Buffer.from(header);
  return Buffer.from(raw.subarray(0, raw.length - (raw.length % 3)).toString("base64url"));
};

/** After jobs and failures of all kinds: keys, one-time tokens, tickets and tokens stand in no log and in no store but their owner's. */
describe.skipIf(missing)("secrets that are no data", () => {
  let running: Running;
  let model: Published;
  let ticket = "";
  const secrets: Needle[] = [];
  const errors: string[] = [];
  /** Content of every file of these folders of the system, by path. */
  const files = (...folders: string[]) =>
    folders.flatMap((folder) =>
      readdirSync(join(running.folder, folder), { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile() && statSync(join(e.parentPath, e.name)).size > 0)
        .map((e) => join(e.parentPath, e.name))
        .map((path) => ({ path: relative(running.folder, path), content: readFileSync(path) })),
    );
  const found = (among: readonly { path: string; content: Buffer }[], what: readonly Needle[]) =>
    among.flatMap(({ path, content }) =>
      [...new Set(what.filter(({ bytes }) => content.includes(bytes)).map(({ name }) => name))].map(
        (name) => `${name} in ${path}`,
      ),
    );
  const failing = async (call: Promise<unknown>) =>
    call.then(
      () => expect.fail("was not refused"),
      (error: unknown) => {
        for (let at = error; at instanceof Error; at = at.cause)
          errors.push(`${at.message}\n${at.stack ?? ""}\n${JSON.stringify({ ...at })}`);
      },
    );

  beforeAll(async () => {
    running = await startRunning({ env: { PARLEY_LOG_LEVEL: "debug" } });
    model = await publish(running, "a", 20);
    const { dataset } = images(1);
    const job = await predict(running.b, model.asset, dataset);
    if (!job.success) throw job.error ?? new Error(job.state);

    for (const [id, { profile, folder }] of running.organisations) {
      secrets.push(...needles(`API key of ${id}`, profile.apiKey));
      for (const name of readdirSync(folder).filter((file) => file.endsWith(".token"))) {
        const token = readFileSync(join(folder, name), "utf8").trim();
        secrets.push(...needles(`worker token ${name}`, token));
        secrets.push(...needles(`secret of ${name}`, parseOneTimeToken(token).secret));
      }
      for (const name of ["ca-key.pem", "signing-key.pem"]) {
        const [, body] = readFileSync(join(folder, name), "utf8").split("\n");
        secrets.push({ name: `${name} of ${id}`, bytes: Buffer.from(body) });
        secrets.push(...needles(`${name} of ${id}`, Buffer.from(body, "base64").subarray(-24)));
      }
    }
    // Tokens of both operators, used and unused; a scientist's key; what an access point's token looks like.
    const mallory = await makeOrganisation("mallory");
    const atRouter = await running.router.client(identityProto.IdentityServiceService, running.addresses.identity);
    const atDealer = await running.dealerOperator.client(dealerProto.DealerServiceService, running.addresses.dealer);
    for (const operator of [atRouter, atDealer]) {
      for (const used of [true, false]) {
        const { token } = await operator.createEnrolmentToken({ organisationId: "mallory", validSeconds: 60 });
        secrets.push(...needles("enrolment token", token));
        secrets.push(...needles("secret of an enrolment token", parseOneTimeToken(token).secret));
        if (!used) continue;
        await enrolWith(token, mallory);
        await failing(enrolWith(token, mallory));
      }
      operator.close();
    }
    const { apiKey } = await running.b.client.createApiKey({ user: "scientist", roles: ["scientist"] });
    secrets.push(...needles("API key of a scientist", apiKey));
    const b = running.organisations.get("clinic-b");
    if (!b) throw new Error("clinic-b runs");
    const scientist = Parley.connect({ ...b.profile, apiKey });
    expect((await predict(scientist, model.asset, dataset)).success).toBe(true);
    await failing(scientist.client.createWorkerToken({ validSeconds: 1, reusable: false }));
    await failing(
      predict(scientist, model.asset, { ...dataset, shape: [50, 28, 28], values: new Float64Array(50 * 784) }),
    );
    scientist.close();
    const wrong = `prl_${"wrongkey".repeat(6)}`;
    secrets.push(...needles("a wrong API key", wrong));
    const stranger = Parley.connect({ ...b.profile, apiKey: wrong });
    await failing(stranger.whoAmI());
    stranger.close();
    // Without a worker at clinic-a runs fail on the way.
    await running.organisations.get("clinic-a")?.workers[0].kill();
    const stuck = await running.b.createJob({ operation: "predict", asset: model.asset, dataset }).send();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await stuck.cancel();

    const identity = connect(identityProto.IdentityServiceService, {
      address: running.addresses.identity,
      own: await certificateOf(authorityOf(b), "access-point"),
      server: { org: "router", role: "identity", bundle: () => [running.router.authority.certificateDer] },
    });
    const { token } = await identity.issueToken({});
    identity.close();
    const header = Buffer.from(token.split(".")[0], "base64url").toString("utf8");
    // All tokens of identity begin like this one: the header names its key.
    secrets.push({ name: "a token of identity", bytes: jwtStart(header) });
    secrets.push({ name: "a ticket", bytes: jwtStart('{"alg":"EdDSA","typ":"parley-ticket+jwt","kid":"') });

    for (const { accessPoint, workers } of running.organisations.values())
      await Promise.all([accessPoint, ...workers].map((child) => child.stop()));
    for (const service of running.services.values()) await service.stop();
    await running.redis.stop();
    const vault = new DatabaseSync(join(running.folder, "clinic-b/vault.sqlite"), { readOnly: true });
    ticket = (vault.prepare("SELECT ticket FROM attempts LIMIT 1").get() as { ticket: string }).ticket;
    vault.close();
    secrets.push(...needles("a ticket as issued", ticket));
  }, 180_000);
  afterAll(() => running?.remove(), 60_000);

  it("the search finds them where they are at home", () => {
    expect(secrets.length).toBeGreaterThan(50);
    const home = found(files("clinic-b"), secrets);
    expect(home).toEqual(
      expect.arrayContaining([
        `API key of clinic-b in ${join("clinic-b", "admin-key")}`,
        `worker token clinic-b-worker.token in ${join("clinic-b", "clinic-b-worker.token")}`,
        `signing-key.pem of clinic-b in ${join("clinic-b", "signing-key.pem")}`,
      ]),
    );
    expect(home.some((entry) => entry.startsWith("a ticket in") && entry.includes("vault.sqlite"))).toBe(true);
    expect(ticket.split(".")).toHaveLength(3);
  });

  it("not in logs, at the most talkative level", () => {
    const logs = files("logs");
    expect(logs.length).toBeGreaterThan(8);
    expect(logs.some(({ content }) => content.includes('"level":"debug"'))).toBe(true);
    expect(found(logs, secrets)).toEqual([]);
    // No JWT, no PEM, no bearer of any kind.
    const suspicious = logs.filter(({ content }) =>
      /eyJ[\w-]{20,}|BEGIN [A-Z ]*PRIVATE|Bearer \S/.test(content.toString("latin1")),
    );
    expect(suspicious.map(({ path }) => path)).toEqual([]);
  });

  it("not in the router's stores, nor in Redis", () => {
    const stores = files("identity", "registry", "agreements", "scheduler", "redis").filter(
      // Identity's own key; the scheduler's keys are sealed.
      ({ path }) => !path.endsWith("signing-key.pem") && !path.endsWith("kek"),
    );
    expect(stores.length).toBeGreaterThan(100);
    expect(found(stores, secrets)).toEqual([]);
    const redis = files("redis")
      .map(({ content }) => content.toString("latin1"))
      .join("\n");
    expect(redis).toContain("jobs-clinic-b");
    for (const word of ["ticket", "logits", "Failed query", model.asset.id, model.agreement])
      expect(redis.includes(word) && word).toBe(false);
  });

  it("not in the dealer's store", () => {
    expect(found(files("dealer"), secrets)).toEqual([]);
  });

  it("not in the other organisation's vault; API keys and one-time secrets not even in the own one, which keeps hashes", () => {
    const tables = (id: string) => files(id).filter(({ path }) => /vault\.sqlite/.test(path));
    expect(tables("clinic-a").length).toBeGreaterThan(0);
    expect(found(tables("clinic-a"), secrets)).toEqual([]);
    const own = secrets.filter(({ name }) => !name.includes("ticket"));
    expect(found(tables("clinic-b"), own)).toEqual([]);
  });

  it("not in errors that callers see", () => {
    expect(errors.length).toBeGreaterThanOrEqual(5);
    expect(found([{ path: "errors", content: Buffer.from(errors.join("\n")) }], secrets)).toEqual([]);
  });

  it("files that hold keys are readable by their owner alone", () => {
    const modes = ["clinic-a", "clinic-b"].flatMap((id) =>
      readdirSync(join(running.folder, id), { withFileTypes: true })
        .filter((e) => e.isFile() && /key|sqlite/.test(e.name))
        .map((e) => join(e.parentPath, e.name))
        .map((path) => `${relative(running.folder, path)} ${(statSync(path).mode & 0o077).toString(8)}`),
    );
    expect(modes.length).toBeGreaterThanOrEqual(8);
    expect(modes.filter((entry) => !entry.endsWith(" 0"))).toEqual([]);
  });
});
