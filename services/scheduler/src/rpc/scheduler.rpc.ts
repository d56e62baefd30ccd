import { isId } from "@parley/agreement";
import { Code, ParleyError, scheduler } from "@parley/proto";
import { implement, type Binding, type CallContext } from "@parley/service-kit";
import type { Attachments } from "../domain/attachments.js";
import type { JobIntake } from "../domain/job-intake.js";
import type { JobQueue } from "../domain/job-queue.js";
import { presentJob, stateName } from "../domain/present.js";
import type { Sweeper } from "../domain/sweeper.js";
import type { TicketIssuer } from "../domain/ticket-issuer.js";
import type { JobRow, JobStore } from "../store/job-store.js";
import { attachHandler } from "./attach.rpc.js";

export interface SchedulerDependencies {
  readonly jobs: JobStore;
  readonly intake: JobIntake;
  readonly queue: JobQueue;
  readonly attachments: Attachments;
  readonly tickets: TicketIssuer;
  readonly sweeper: Sweeper;
}

const MAX_PAGE = 1000;

export const callerOf = ({ token }: CallContext): string => {
  if (!token) throw new Error("the access rule asks for a token");
  return token.org;
};

export function schedulerBinding(d: SchedulerDependencies): Binding {
  const own = async (id: string, context: CallContext): Promise<JobRow> => {
    const row = isId("job", id) ? await d.jobs.get(id) : undefined;
    if (row && row.organisationId === callerOf(context)) return row;
    throw new ParleyError(
      Code.NOT_FOUND,
      "JOB_NOT_FOUND",
      `there is no job ${id.slice(0, 60)} of this organisation`,
      "List them with `parley job list`.",
    );
  };
  return implement<scheduler.SchedulerServiceServer>(
    scheduler.SchedulerServiceService,
    {
      createJob: async (request, context) => {
        const row = await d.intake.create(callerOf(context), request);
        d.sweeper.poke();
        return { job: presentJob(row) };
      },
      getJob: async ({ jobId }, context) => ({ job: presentJob(await own(jobId, context)) }),
      listJobs: async ({ state, page }, context) => {
        const limit = Math.min(page?.limit || 100, MAX_PAGE);
        const query = { org: callerOf(context), state: stateName(state), before: page?.token, limit };
        const rows = await d.jobs.list(query);
        return { jobs: rows.map(presentJob), nextToken: rows.length === limit ? rows[limit - 1].id : "" };
      },
      cancelJob: async ({ jobId }, context) => {
        const row = await own(jobId, context);
        const cancelled = await d.jobs.cancel(row.id);
        if (cancelled) {
          await d.attachments.check(row.organisationId);
          await d.queue.remove(row.organisationId, row.id);
          d.sweeper.poke();
        }
        return { job: presentJob(cancelled ?? (await own(jobId, context))) };
      },
      attach: attachHandler(d),
      getKeys: async () => ({ jwks: d.tickets.jwks }),
    },
    { all: { roles: ["access-point"], token: true } },
  );
}
