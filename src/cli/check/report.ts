import { writeFileSync } from 'node:fs';
import type { CheckCost } from '../../infra/check.ts';
import { toBatchctlError } from '../../lib/known-error.ts';
import { formatDuration } from '../../lib/units.ts';
import { VERSION } from '../../lib/version.ts';

/** The steps of a check in their order, each with a description. */
export const CHECK_STEPS = {
  plan: 'inspect the account and validate what would be created',
  up: 'create a bucket, queues, a role, a security group, a launch template and an Auto Scaling group',
  versions: 'turn on versions in the bucket, and put the input of a job',
  neighbours:
    'let a stack of the same name, in another bucket or region, look at this one and remove it: all is refused',
  submit: 'submit a job of 20 tasks, then overwrite its input',
  boot: 'wait for one spot instance and its worker',
  interruption: 'wait until you run an AWS FIS command that interrupts the instance',
  job: 'follow the job to its end, on the replacement instance after an interruption',
  verify: 'read all outputs, and prove that each task was done once, from the submitted version of the input',
  ending: 'deny the worker the right to end its instance, and wait until it has left in another way',
  down: 'remove everything including data, even after a failure',
  inventory: 'ask each service what is left',
} as const;

export type CheckStepName = keyof typeof CHECK_STEPS;

export interface CheckStep {
  readonly step: CheckStepName;
  /** `skipped`: not reached, or not requested. `planned`: done only with --for-real. */
  readonly status: 'ok' | 'failed' | 'skipped' | 'planned';
  readonly seconds: number | null;
  readonly seen: readonly string[];
}

/** The result of a check. People send it to others, so `masked` removes what identifies the account. */
export interface CheckReport {
  readonly format: 1;
  /** `running`: the check is still running, or was killed. */
  readonly verdict: 'ok' | 'failed' | 'interrupted' | 'planned' | 'running';
  readonly stack: string;
  readonly region: string;
  readonly account: string;
  readonly instance: string;
  readonly ledger: string;
  readonly batchctl: string;
  readonly system: string;
  readonly startedAt: string;
  readonly seconds: number;
  readonly cost: CheckCost;
  readonly steps: readonly CheckStep[];
  /** Kind and name of each resource that still exists after the removal; null if unknown. */
  readonly left: readonly string[] | null;
  /** The command that removes what is left; null if nothing is left. */
  readonly remove: string | null;
  /** The last lines of workers' and instances' logs. */
  readonly logs: readonly { readonly of: string; readonly lines: readonly string[] }[];
}

export class CheckSteps {
  readonly #steps: CheckStep[] = [];
  readonly #onStep: (step: CheckStep) => void;
  readonly #now: () => number;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number, onStep: (step: CheckStep) => void) {
    this.#now = now;
    this.#onStep = onStep;
  }

  get all(): readonly CheckStep[] {
    return this.#steps;
  }

  get failed(): boolean {
    return this.#steps.some(({ status }) => status === 'failed');
  }

  /** Runs a step and records its result and findings. `skip` marks it as skipped. Rethrows its error. */
  async run<T>(
    step: CheckStepName,
    work: (see: (text: string) => void, skip: (why: string) => void) => Promise<T>,
  ): Promise<T> {
    const begun = this.#now();
    const seen: string[] = [];
    let skipped = false;
    const see = (text: string): void => {
      seen.push(text);
    };
    const skip = (why: string): void => {
      skipped = true;
      see(why);
    };
    try {
      const done = await work(see, skip);
      this.#add({ step, status: skipped ? 'skipped' : 'ok', seconds: this.#since(begun), seen });
      return done;
    } catch (error) {
      const { message, hint } = toBatchctlError(error);
      const said = [message, ...(hint === undefined ? [] : [`hint: ${hint}`])];
      this.#add({ step, status: 'failed', seconds: this.#since(begun), seen: [...seen, ...said] });
      throw error;
    }
  }

  /** Records that a step is not run, unless it already has a result. */
  skip(step: CheckStepName, why: string, status: 'skipped' | 'planned' = 'skipped'): void {
    if (this.#steps.some((one) => one.step === step)) return;
    this.#add({ step, status, seconds: null, seen: [why] });
  }

  #since(begun: number): number {
    return Math.round((this.#now() - begun) / 100) / 10;
  }

  #add(step: CheckStep): void {
    this.#steps.push(step);
    this.#onStep(step);
  }
}

export const runtimeInfo = (): Pick<CheckReport, 'batchctl' | 'system'> => ({
  batchctl: VERSION,
  system: `Node ${process.versions.node}, ${process.platform} ${process.arch}`,
});

/** The report with all but the last four digits of account ids hidden, and no id of an access key. */
export function maskReport(report: CheckReport): CheckReport {
  const account = report.account;
  const hide = (text: string): string =>
    (/^\d{12}$/.test(account) ? text.replaceAll(account, maskId(account)) : text)
      .replace(/(?<![0-9a-zA-Z])\d{12}(?![0-9a-zA-Z])/g, maskId)
      .replace(/\b(AKIA|ASIA|AIDA|AROA)[A-Z0-9]{8,}/g, '$1********');
  return JSON.parse(JSON.stringify(report), (_name, value: unknown) =>
    typeof value === 'string' ? hide(value) : value,
  );
}

const maskId = (id: string): string => `${'*'.repeat(8)}${id.slice(-4)}`;

export function checkText(report: CheckReport): string {
  const { stack, verdict, batchctl, system, region, account, instance, ledger, startedAt, seconds, cost } = report;
  const width = Math.max(...report.steps.map(({ step }) => step.length));
  const steps = report.steps.flatMap(({ step, status, seconds: took, seen }) => {
    const time = took === null ? '' : `${took.toFixed(1)} s`;
    const head = `${status.padEnd(8)} ${step.padEnd(width)} ${time.padStart(8)}`;
    return (seen.length === 0 ? [''] : seen).map((text, at) =>
      `${at === 0 ? head : ' '.repeat(head.length)}  ${text}`.trimEnd(),
    );
  });
  const left = report.left === null ? 'unknown' : report.left.length === 0 ? 'nothing' : report.left.join(', ');
  return [
    `${stack}: ${verdict}`,
    `batchctl ${batchctl}, ${system}; ${region}, account ${account}, ${instance}, ledger ${ledger}`,
    `${startedAt}, took ${formatDuration(Math.round(seconds))}; ${costText(cost)}`,
    '',
    ...steps,
    '',
    ...(verdict === 'planned' && report.left === null ? [] : [`left: ${left}`]),
    ...(report.remove === null ? [] : [`remove what is left: ${report.remove}`]),
    ...report.logs.flatMap(({ of, lines }) => ['', `log of ${of}:`, ...lines.map((line) => `  ${line}`)]),
  ].join('\n');
}

/** Rounded up to the cent; the subtraction absorbs binary rounding errors. */
const cents = (usd: number): string => `$${(Math.ceil(usd * 100 - 1e-6) / 100).toFixed(2)}`;

export function costText({ instanceHour, most, interruption }: CheckCost): string {
  const known =
    most === null || instanceHour === null
      ? "the cost is unknown, as the instance's price is (set `prices` in the profile)"
      : `costs at most ${cents(most)} (an instance-hour is $${instanceHour.toFixed(4)})`;
  return `${known}, plus about ${cents(interruption)} for an interruption by AWS FIS`;
}

/** Writes the report as JSON, and as text next to it. */
export function writeReport(path: string, report: CheckReport): void {
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(textPath(path), `${checkText(report)}\n`);
}

export const textPath = (path: string): string => `${path.replace(/\.json$/, '')}.txt`;
