import { fleet, type member } from "@parley/proto";
import { fit, styled, type Style, type Terminal } from "./terminal.js";

type Trace = Pick<member.GetJobTraceResponse, "steps" | "modelOwner" | "dataOwner">;

/** The JSON form of a trace: times in milliseconds from when the job was received. */
export function traceJson(trace: member.GetJobTraceResponse) {
  const ms = (micros: bigint) => Number(micros) / 1000;
  const { jobId, traceId, received, dropped, modelOwner, dataOwner } = trace;
  const steps = trace.steps.map((step) => ({
    name: step.name,
    actor: step.actor,
    organisation: step.organisation || "router",
    startMs: ms(step.startMicros),
    durationMs: ms(step.durationMicros),
    ...(step.attempt > 0 && { attempt: step.attempt }),
    ...(step.inRun && { run: step.run }),
    ...(step.party !== fleet.Party.PARTY_UNSPECIFIED && {
      party: step.party === fleet.Party.PARTY_SERVER ? 0 : 1,
      messages: step.messages,
      bytes: Number(step.bytes),
      waitMs: ms(step.waitMicros),
    }),
  }));
  return { jobId, traceId, received, modelOwner, dataOwner, steps, dropped };
}

const STYLES: Record<string, Style> = { "access-point": "blue", scheduler: "magenta", worker: "green" };
/** Room of the columns beside the bars. */
const NAME = 24;
const WHO = 20;
const FIGURE = 9;
const LEAST_BAR = 12;

/**
 * A line for each step: what, who, a bar on the job's own scale, how long; the part of a bar that waited for the other party is
 * lighter. What was prepared long before stands left of the scale. Drawn into the terminal's width.
 */
export function waterfall({ steps, modelOwner, dataOwner }: Trace, terminal: Terminal): string {
  const counts = terminal.width >= 100;
  const bar = Math.max(LEAST_BAR, terminal.width - NAME - WHO - FIGURE - 4 - (counts ? 16 : 0));
  const end = Math.max(1, ...steps.map((step) => Number(step.startMicros + step.durationMicros)));
  const head = `${fit("STEP", NAME)} ${fit("WHERE", WHO)} ${scale(end, bar)} ${"TIME".padStart(FIGURE)}${counts ? "  SENT" : ""}`;
  const rows = steps.map((step) => {
    const style = step.party === fleet.Party.PARTY_SERVER ? "cyan" : (STYLES[step.actor] ?? "dim");
    const where = step.organisation ? `${step.organisation} ${short(step.actor)}` : step.actor;
    const sent = counts && step.messages > 0 ? `  ${step.messages} × ${size(Number(step.bytes))}` : "";
    return `${fit(indent(step), NAME)} ${fit(where, WHO)} ${draw(step, end, bar, style, terminal)} ${duration(Number(step.durationMicros)).padStart(FIGURE)}${sent}`;
  });
  const legend = `█ works  ░ waits for the other party  ◂ before the job   model: ${modelOwner || "?"}, data: ${dataOwner}`;
  return [styled(head.trimEnd(), "bold", terminal), ...rows.map((row) => row.trimEnd()), "", legend].join("\n");
}

const short = (actor: string) => (actor === "access-point" ? "ap" : actor);
const indent = (step: member.TraceStep) =>
  `${step.inRun ? (step.actor === "worker" ? "    " : "  ") : ""}${step.name}${step.inRun && step.actor !== "worker" ? ` ${step.run}` : ""}`;

function draw(step: member.TraceStep, end: number, width: number, style: Style, terminal: Terminal): string {
  const [start, lasted, waited] = [step.startMicros, step.durationMicros, step.waitMicros].map(Number);
  if (start + lasted <= 0) return "◂".padEnd(width);
  const at = (micros: number) => Math.min(width, Math.max(0, Math.round((micros / end) * width)));
  const from = Math.min(at(start), width - 1);
  const cells = Math.max(1, at(start + lasted) - from);
  if (lasted === 0) return `${" ".repeat(from)}${styled("│", style, terminal)}${" ".repeat(width - from - 1)}`;
  const waiting = Math.min(cells, Math.round((cells * waited) / lasted));
  const drawn = styled("█".repeat(cells - waiting) + "░".repeat(waiting), style, terminal);
  return `${" ".repeat(from)}${drawn}${" ".repeat(Math.max(0, width - from - cells))}`;
}

/** The ends of the scale. */
function scale(end: number, width: number): string {
  const right = duration(end);
  return `0${right.padStart(width - 1)}`;
}

/** Microseconds for people. */
export function duration(micros: number): string {
  if (micros < 1_000) return `${Math.round(micros)} µs`;
  if (micros < 1_000_000) return `${(micros / 1_000).toFixed(micros < 100_000 ? 1 : 0)} ms`;
  return `${(micros / 1_000_000).toFixed(2)} s`;
}

const size = (bytes: number) =>
  bytes < 1024
    ? `${bytes} B`
    : bytes < 1 << 20
      ? `${(bytes / 1024).toFixed(1)} KiB`
      : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
