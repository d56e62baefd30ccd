import { Command } from "commander";
import { print, withParley } from "../context.js";
import { fields } from "../output/table.js";
import { terminal } from "../output/terminal.js";
import { traceJson, waterfall } from "../output/waterfall.js";

const HELP = `
Draws what the job's time went into, as your access point recorded it: its own steps, the scheduler's, and of each run both
workers' steps, layer by layer. The partner's worker measured its steps itself; they stand where they fit between yours, as no
clocks are compared. Names, times and sizes only. The trace id is the one under which your telemetry has the job.

With --json: {"jobId", "traceId", "received", "modelOwner", "dataOwner", "steps": [{"name", "actor", "organisation", "startMs",
"durationMs", "attempt"?, "run"?, "party"?, "messages"?, "bytes"?, "waitMs"?}], "dropped"}.

Example:
  parley job trace job_01JD... --profile clinic-b`;

export const jobTraceCommand = (): Command =>
  new Command("trace")
    .argument("<id>", "job id")
    .description("draw what a job's time went into, at both organisations")
    .addHelpText("after", HELP)
    .action(async (id: string, _: unknown, command: Command) =>
      withParley(command, async (parley) => {
        const trace = await parley.client.getJobTrace({ jobId: id });
        const head = fields({ Job: trace.jobId, Trace: trace.traceId, Received: trace.received?.toISOString() });
        const dropped = trace.dropped > 0 ? `\n${trace.dropped} more steps were not kept.` : "";
        const text = () =>
          trace.steps.length > 0
            ? `${head}\n\n${waterfall(trace, terminal())}${dropped}`
            : `${head}\n\nNo steps of this job are kept: it is older than traces, or too long ago.`;
        print(command, traceJson(trace), text());
      }),
    );
