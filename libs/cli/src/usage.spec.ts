import { describe, expect, it } from "vitest";
import { createProgram } from "./program.js";
import { json, shell } from "./testing/shell.js";

const GROUPS = { org: ["enrol", "show", "trust"], asset: ["publish", "list", "show"] };
const AGREEMENT = ["offer", "accept", "list", "show", "revoke"];
const JOB = ["list", "show", "watch", "trace", "cancel"];

describe("help", () => {
  it("goes to standard output, with examples and the way profiles are found", async () => {
    const { exit, out, err } = await shell("--help");
    expect(exit).toBe(0);
    expect(err).toBe("");
    expect(out).toContain("Examples:\n  parley login --address");
    expect(out).toContain("$PARLEY_HOME");
  });

  it.each([["asset", "publish"], ["agreement", "offer"], ["predict"], ["doctor"], ["job", "trace"]])(
    "of %s %s has an example",
    async (...command) => {
      const { exit, out } = await shell(...command, "--help");
      expect(exit).toBe(0);
      expect(out).toMatch(new RegExp(`Examples?:\n  parley ${command.join(" ")} `));
    },
  );

  it("lists every command of every group", () => {
    const groups = Object.fromEntries(createProgram().commands.map((c) => [c.name(), c.commands.map((s) => s.name())]));
    expect(Object.keys(groups)).toEqual(["login", "org", "asset", "agreement", "predict", "job", "token", "doctor"]);
    expect(groups).toMatchObject({ asset: GROUPS.asset, agreement: AGREEMENT, job: JOB });
    expect(groups.org).toEqual(expect.arrayContaining(GROUPS.org));
  });

  it("gives the version", async () => {
    expect(await shell("--version")).toEqual({ exit: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: "" });
  });
});

describe("wrong usage", () => {
  it.each([
    [["nonsense"], "unknown command 'nonsense'", "parley --help"],
    [["agreement", "acept"], "Did you mean accept?", "parley agreement --help"],
    [["predict", "--data", "x.csv"], "required option '--asset <id>' not specified", "parley predict --help"],
    [["predict", "--asset"], "argument missing", "parley predict --help"],
    [["predict", "--asset", "a", "--data", "b", "--speed", "9"], "unknown option '--speed'", "parley predict --help"],
    [["predict", "--asset", "a", "--data", "b", "--out", "x.doc"], "--out x.doc: the format is not known", ".csv"],
    [["job", "show"], "missing required argument 'id'", "parley job show --help"],
    [["job", "show", "a", "b"], "too many arguments", "parley job show --help"],
    [["org", "enrol"], "give one of --router TOKEN, --dealer TOKEN", "parley --help"],
    [["org", "enrol", "--router", "a", "--dealer", "b"], "give one of", "parley --help"],
    [["asset", "publish", "m.onnx"], "required option '--name <name>'", "parley asset publish --help"],
    ...[",1", "1", "1,0", "a,b", "0,1,2", "0,Infinity"].map((range): [string[], string, string] => [
      ["asset", "publish", "m.onnx", "--name", "n", "--input-range", range],
      `--input-range ${range} is not a range`,
      "LO,HI",
    ]),
    [
      "asset publish m --name n --input-range 0,1 --schema s.json".split(" "),
      "give --input-range or --schema, not both",
      "parley --help",
    ],
    ...["0", "-1", "1.5", "many"].map((records): [string[], string, string] => [
      `agreement offer --asset a --to b --records ${records} --expires 2030-01-01 --output logits`.split(" "),
      "give a whole number of at least 1",
      "parley agreement offer --help",
    ]),
    [
      "agreement offer --asset a --to b --records 1 --expires soon --output logits".split(" "),
      "give a date such as 2027-12-31",
      "parley agreement offer --help",
    ],
  ])("%j exits 2 and says what to do", async (args, message, hint) => {
    const { exit, out, err } = await shell(...args);
    expect({ exit, out }).toEqual({ exit: 2, out: "" });
    expect(err).toContain(message);
    expect(err).toContain(hint);
    const { exit: code, value } = await json(...args);
    expect(code).toBe(2);
    expect(value).toEqual({
      error: { code: "USAGE", message: expect.stringContaining(message), hint: expect.stringContaining(hint) },
    });
  });

  it("of a group without a command shows its help", async () => {
    const { exit, err } = await shell("agreement");
    expect(exit).toBe(2);
    expect(err).toContain("accept [options] <id>");
    expect(await json("agreement")).toEqual({
      exit: 2,
      value: { error: { code: "USAGE", message: "give a command", hint: "See: parley agreement --help" } },
    });
  });
});
