import * as common from "../gen/parley/common/v1/common.js";

const { FindingOutcome } = common;

/** A figure as a number, for scripts. */
export interface Amount {
  readonly value: number;
  readonly unit: "ms" | "s" | "days" | "bytes" | "bytes/s";
}

/** Makes the findings about one place. */
export class Findings {
  constructor(
    private readonly source: string,
    private readonly target: string,
    private readonly address = "",
  ) {}

  /** As it should be. */
  ok(check: string, figure: string, amount?: Amount): common.Finding {
    return this.make(check, FindingOutcome.FINDING_OUTCOME_OK, figure, "", amount);
  }

  /** Works now, but should be looked at. */
  warning(check: string, figure: string, hint: string, amount?: Amount): common.Finding {
    return this.make(check, FindingOutcome.FINDING_OUTCOME_WARNING, figure, hint, amount);
  }

  /** Does not work. */
  failed(check: string, figure: string, hint: string, amount?: Amount): common.Finding {
    return this.make(check, FindingOutcome.FINDING_OUTCOME_FAILED, figure, hint, amount);
  }

  /** Could not be looked at. */
  skipped(check: string, figure: string, hint = ""): common.Finding {
    return this.make(check, FindingOutcome.FINDING_OUTCOME_SKIPPED, figure, hint);
  }

  private make(
    check: string,
    outcome: common.FindingOutcome,
    figure: string,
    hint: string,
    { value, unit }: { value: number; unit: string } = { value: 0, unit: "" },
  ): common.Finding {
    const { source, target, address } = this;
    return { source, target, address, check, outcome, figure, value, unit, hint };
  }
}

/** True where a finding is a failure. */
export const isFailed = ({ outcome }: common.Finding): boolean => outcome === FindingOutcome.FINDING_OUTCOME_FAILED;

/** A place that cannot be probed further; what was found there says why. */
export class Stopped extends Error {
  constructor(readonly finding: common.Finding) {
    super(finding.figure);
  }
}

export const milliseconds = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** "4.2 MiB" */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}
