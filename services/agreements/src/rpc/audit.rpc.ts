import { isName } from "@parley/agreement";
import { Code, ParleyError, type agreements } from "@parley/proto";
import type { AuditEvent, Handlers } from "@parley/service-kit";
import { z } from "zod";
import { callerOf, type AgreementsDependencies } from "./agreements.rpc.js";

const MAX_PAGE = 1000;
const detailsSchema = z.record(z.string(), z.union([z.string().max(500), z.number(), z.boolean()]));
const entrySchema = z.object({
  action: z
    .string()
    .regex(/^[a-z-]+(\.[a-z-]+)+$/)
    .max(80),
  actor: z.string().min(1).max(200),
  subject: z.string().min(1).max(200),
  traceId: z.string().regex(/^([0-9a-f]{32})?$/),
});

const invalid = (what: string) =>
  new ParleyError(Code.INVALID_ARGUMENT, "AUDIT_ENTRY_INVALID", `the audit entry is not valid: ${what}`);

/** The router's audit log: written by router services, read by the organisations that an entry concerns. */
export const auditHandlers = (
  d: Pick<AgreementsDependencies, "audit">,
): Pick<Handlers<agreements.AgreementsServiceServer>, "appendAudit" | "listAudit"> => ({
  appendAudit: async ({ notes }) => {
    if (notes.length === 0 || notes.length > MAX_PAGE) throw invalid(`a call brings 1 to ${MAX_PAGE} entries`);
    return { sequence: await d.audit.appendAll(notes.map(readNote)) };
  },
  listAudit: async ({ subject, page }, context) => {
    const limit = Math.min(page?.limit || 100, MAX_PAGE);
    if (page?.token && !/^\d{1,18}$/.test(page.token))
      throw new ParleyError(Code.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID", "this is not the token of a page");
    const entries = await d.audit.list({
      organisation: callerOf(context),
      subject: subject || undefined,
      after: BigInt(page?.token || 0),
      limit,
    });
    return { entries, nextToken: entries.length === limit ? String(entries[limit - 1].sequence) : "" };
  },
});

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readNote({ entry, organisations }: agreements.AuditNote): AuditEvent {
  const read = entrySchema.safeParse(entry);
  if (!read.success) throw invalid(read.error.issues[0].path.join(".") || "it is missing");
  const details = detailsSchema.safeParse(parseJson(entry?.details || "{}"));
  if (!details.success) throw invalid("details must be a JSON object of texts, numbers and booleans");
  if (!organisations.every(isName)) throw invalid("organisations");
  const { action, actor, subject, traceId } = read.data;
  return { action, actor, subject, details: details.data, organisations, ...(traceId && { traceId }) };
}
