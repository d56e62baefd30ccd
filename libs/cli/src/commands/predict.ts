import { Code, ParleyError, type Job } from "@parley/sdk";
import { Command } from "commander";
import { writeFileSync } from "node:fs";
import { extname } from "node:path";
import { optionsOf, print, withParley } from "../context.js";
import { follow } from "../follow.js";
import { jobJson, timingsOf } from "../output/job.js";
import { UsageError } from "../usage-error.js";

interface Options {
  readonly asset: string;
  readonly data: string;
  readonly agreement?: string;
  readonly name?: string;
  readonly out?: string;
}

const WRITERS: Record<string, (job: Job) => string> = {
  ".csv": (job) => job.result.toCsv(),
  ".json": (job) => `${JSON.stringify(jobJson(job), null, 2)}\n`,
  ".txt": (job) => job.result.toText(),
};

export function predictCommand(): Command {
  return new Command("predict")
    .description("run a private prediction on your own data")
    .requiredOption("--asset <id>", "model")
    .requiredOption("--data <file>", "records: CSV, NPY, PNG or IDX (also gzipped)")
    .option("--agreement <id>", "agreement; without it the only active one on this model")
    .option("--name <name>", "name of the job, for people")
    .option("--out <file>", "write the result to FILE (.csv, .json or .txt)")
    .addHelpText(
      "after",
      "\nExamples:\n  parley predict --asset mdl_... --data images.idx3-ubyte\n  parley predict --asset mdl_... --data patients.csv --out result.csv",
    )
    .action(async (_: unknown, command: Command) => {
      const options = optionsOf<Options>(command);
      const write = options.out ? WRITERS[extname(options.out).toLowerCase()] : undefined;
      if (options.out && !write)
        throw new UsageError(`--out ${options.out}: the format is not known`, "End the name in .csv, .json or .txt.");
      await withParley(command, async (parley) => {
        const asset = await parley.asset(options.asset);
        const job = parley.createJob({
          name: options.name,
          operation: "predict",
          asset,
          agreement: options.agreement,
          dataset: options.data,
          params: { security: "smpc" },
        });
        await job.send();
        await follow(job, options.json);
        if (!job.success) throw failure(job);
        if (options.out && write) save(options.out, write(job), job.id);
        print(command, jobJson(job), describe(job, options.out));
      });
    });
}

function save(file: string, content: string, jobId: string) {
  try {
    writeFileSync(file, content, { mode: 0o600 });
  } catch (cause) {
    const hint = `The result is kept: parley job show ${jobId}`;
    throw new ParleyError(Code.INVALID_ARGUMENT, "FILE_UNWRITABLE", `${file} cannot be written`, hint, {}, { cause });
  }
}

const failure = (job: Job) =>
  job.error ??
  new ParleyError(
    Code.CANCELLED,
    "JOB_CANCELLED",
    `job ${job.id} was cancelled`,
    `Nothing more of it is revealed; see: parley job show ${job.id}`,
  );

function describe(job: Job, out: string | undefined): string {
  const t = timingsOf(job);
  const times = t
    ? `online ${t.onlineMs.toFixed(2)} ms, submit to result ${t.submitToResultMs.toFixed(1)} ms, ${t.bytes.p1ToP0 + t.bytes.p0ToP1} bytes in ${t.messages} messages`
    : "";
  const what = out ? `The result is in ${out}` : job.result.toText().trimEnd();
  return `${what}\n\nJob ${job.id}: ${job.records} record${job.records === 1 ? "" : "s"}, ${times}`;
}
