import { Command } from "commander";
import { optionsOf, print, withParley } from "../context.js";
import { follow } from "../follow.js";
import { jobJson } from "../output/job.js";
import { fields, minute, table } from "../output/table.js";
import { jobTraceCommand } from "./job-trace.js";
import type { Job } from "@parley/sdk";

const describe = (job: Job) => {
  const d = job.details;
  return fields({
    Job: job.id,
    Name: d?.job?.name,
    State: job.state,
    Records: `${job.recordsDone} of ${job.records}`,
    Asset: d?.job?.assetId,
    Agreement: d?.job?.agreementId,
    Attempts: d?.job?.attempts,
    Revealed: d?.job?.recordsRevealed,
    Created: minute(d?.job?.createdAt),
    Ended: minute(d?.job?.endedAt),
    Trace: d?.traceId,
    Error: job.error?.message,
    Hint: job.error?.hint,
  });
};

const withResult = (job: Job) => (job.success ? `${describe(job)}\n\n${job.result.toText().trimEnd()}` : describe(job));

export function jobCommands(): Command {
  const jobs = new Command("job").description("jobs of your organisation");
  jobs
    .command("list")
    .description("jobs, newest first")
    .action(async (_: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const all = await parley.jobs();
        const rows = all.map((job) => [
          job.id,
          job.state,
          job.records,
          job.details?.job?.name ?? "",
          minute(job.details?.job?.createdAt),
        ]);
        print(
          command,
          { jobs: all.map(jobJson) },
          rows.length ? table(["JOB", "STATE", "RECORDS", "NAME", "CREATED"], rows) : "No jobs yet.",
        );
      }),
    );
  jobs
    .command("show <id>")
    .description("one job, with its result where it has one")
    .action(async (id: string, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const job = await parley.job(id);
        if (job.success) await job.wait();
        print(command, jobJson(job), withResult(job));
      }),
    );
  jobs
    .command("watch <id>")
    .description("follow a job to its end")
    .action(async (id: string, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const job = await parley.job(id);
        await follow(job, optionsOf(command).json);
        print(command, jobJson(job), withResult(job));
      }),
    );
  jobs.addCommand(jobTraceCommand());
  jobs
    .command("cancel <id>")
    .description("cancel a job")
    .action(async (id: string, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const job = await (await parley.job(id)).cancel();
        print(command, jobJson(job), `${id} is ${job.state}.`);
      }),
    );
  return jobs;
}
