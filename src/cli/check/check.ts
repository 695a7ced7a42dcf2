import { resolve } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { CHECK_GROUP, type CheckCost, checkCost, faultCommands } from '../../infra/check.ts';
import { takeInventory } from '../../infra/inventory.ts';
import { type ExecutableStep, planStack } from '../../infra/plan.ts';
import type { OpenStack } from '../../infra/stack.ts';
import { toBatchctlError } from '../../lib/known-error.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { printAnswer } from '../render.ts';
import {
  CHECK_STEPS,
  type CheckReport,
  type CheckStep,
  type CheckStepName,
  CheckSteps,
  checkText,
  costText,
  maskReport,
  runtimeInfo,
  textPath,
  writeReport,
} from './report.ts';
import { type CheckRound, readLastLogs, removeCheckStack, runRound } from './round.ts';

const STEPS = Object.entries(CHECK_STEPS) as readonly (readonly [CheckStepName, string])[];
const FINDING = 11;
const INTERRUPTED = 130;

export interface CheckOptions {
  /** False: only plan. */
  readonly forReal: boolean;
  /** The stack of an interrupted check, which is only removed. */
  readonly remove: string | undefined;
  /** The file of the report. */
  readonly output: string | undefined;
}

/** One run of `infra check`: plan, consent, the round, the removal, the report. */
export class Check {
  readonly #ctx: Context;
  readonly #stack: OpenStack;
  readonly #options: CheckOptions;
  readonly #steps: CheckSteps;
  readonly #startedAt: number;
  readonly #begun: number;
  readonly #path: string;
  /** True once the operator has agreed: then the report's files are kept up to date. */
  #writesReport = false;
  /** True once resources may exist that must be removed. */
  #mayHaveResources = false;
  #cost: CheckCost;
  #logs: CheckReport['logs'] = [];
  #left: readonly string[] | null = null;

  constructor(ctx: Context, stack: OpenStack, options: CheckOptions) {
    this.#ctx = ctx;
    this.#stack = stack;
    this.#options = options;
    this.#startedAt = ctx.clock.now();
    this.#begun = ctx.clock.monotonic();
    this.#path = resolve(ctx.io.cwd, options.output ?? `${stack.profile.stack}.json`);
    this.#cost = checkCost(this.#instance, null);
    this.#steps = new CheckSteps(
      () => ctx.clock.monotonic(),
      (step) => this.#onStep(step),
    );
  }

  async run(): Promise<number> {
    const { forReal, remove } = this.#options;
    const ctx = this.#ctx;
    if (remove !== undefined) return this.#removeLeftovers();
    if (!forReal || ctx.flags.dryRun) return this.#showPlan();
    await ctx.announce();
    const planned = await this.#plan().catch((error: unknown) => {
      this.#write('failed');
      throw error;
    });
    this.#say([
      `creates stack ${this.#name} and always removes it at the end; the profile's own stack is not touched:`,
    ]);
    this.#say(STEPS.map(([step, does]) => `  ${step.padEnd(12)} ${does}`));
    this.#say([`this takes about fifteen minutes, and ${costText(this.#cost)}`]);
    await confirm(ctx, `continue in account ${this.#stack.account}?`);
    // Written first, so that an unwritable path is reported before anything is created.
    this.#mayHaveResources = true;
    this.#write('running');
    this.#writesReport = true;
    this.#say([`if this process is killed, remove the stack with: ${this.#removeCommand}`]);
    ctx.signal.addEventListener('abort', () =>
      this.#say(['stopping: removing the stack first; press Ctrl-C again to keep it']),
    );
    const faults = faultCommands({ ...this.#stack.profile, account: this.#stack.account });
    this.#say([
      'now prepare the interruption, in another terminal with credentials for the same account:',
      ...faults.prepare,
    ]);
    const round = this.#round(() => this.#say(['now interrupt the instance:', faults.interrupt]));
    const trouble = await runRound(round, planned).then(
      () => null,
      (error: unknown) => error,
    );
    this.#logs = await readLastLogs(ctx);
    const code = await this.#end(trouble);
    this.#say(['remove what you created for AWS FIS:', ...faults.remove]);
    return code;
  }

  /** Plans and validates; creates nothing. */
  async #showPlan(): Promise<number> {
    await this.#plan();
    for (const [step, does] of STEPS) this.#steps.skip(step, does, 'planned');
    await this.#answer(this.#report('planned'));
    this.#ctx.notice('nothing was created; use --for-real to do it');
    return 0;
  }

  /** Only removes what an interrupted check left behind. */
  async #removeLeftovers(): Promise<number> {
    const ctx = this.#ctx;
    this.#mayHaveResources = true;
    if (ctx.flags.dryRun) {
      this.#left = (await takeInventory(this.#stack)).map(({ kind, name }) => `${kind} ${name}`);
      await this.#answer(this.#report('planned'));
      return 0;
    }
    await ctx.announce();
    await confirm(ctx, `remove all of stack ${this.#name}?`);
    return this.#end(null);
  }

  #plan(): Promise<readonly ExecutableStep[]> {
    return this.#steps.run('plan', async (see) => {
      const { steps, warnings } = await planStack(this.#stack, null);
      for (const warning of warnings) see(`warning: ${warning}`);
      const there = steps.filter(({ step }) => step.action !== 'create').map(({ step }) => `${step.kind} ${step.name}`);
      if (there.length > 0) {
        throw new BatchctlError('refused', `expected no resources of stack ${this.#name}, found ${there.join(', ')}`, {
          hint: 'run the same command again; it chooses another name',
        });
      }
      see(`to create: ${steps.map(({ step }) => step.kind).join(', ')}`);
      const group = await (await this.#ctx.platform()).group(CHECK_GROUP);
      const hours = ((await group.prices?.())?.hours ?? []).filter(({ type }) => type === this.#instance);
      const market = hours.filter(({ kind }) => kind === 'spot');
      const usd = (market.length > 0 ? market : hours).map((hour) => hour.usd);
      this.#cost = checkCost(this.#instance, usd.length === 0 ? null : Math.max(...usd));
      return steps;
    });
  }

  /** Removes everything, whatever happened, and returns the exit code of the findings. */
  async #end(trouble: unknown): Promise<number> {
    const removesOnly = this.#options.remove !== undefined;
    // A step that failed has its own message.
    const why = trouble === null || this.#steps.failed ? '' : `: ${toBatchctlError(trouble).message}`;
    for (const [step] of STEPS) {
      if (!removesOnly && step !== 'down' && step !== 'inventory') this.#steps.skip(step, `not reached${why}`);
    }
    this.#left = await removeCheckStack(this.#round(() => undefined));
    const failed = trouble !== null || this.#steps.failed;
    const { signal } = this.#ctx;
    const report = this.#report(signal.aborted ? 'interrupted' : failed ? 'failed' : 'ok');
    if (!removesOnly) this.#write(report.verdict);
    await this.#answer(report);
    if (report.remove !== null)
      this.#ctx.warn(`some resources may be left, which AWS may charge for; remove them with: ${report.remove}`);
    if (!removesOnly) {
      this.#say([`report: ${this.#path} and ${textPath(this.#path)}; read it before you send it back`]);
    }
    return signal.aborted ? INTERRUPTED : failed ? FINDING : 0;
  }

  get #name(): string {
    return this.#stack.profile.stack;
  }

  get #instance(): string {
    return this.#stack.profile.groups[CHECK_GROUP]?.instances[0] ?? '';
  }

  get #removeCommand(): string {
    const { profile } = this.#ctx.flags;
    const named = profile === undefined ? '' : ` --profile ${profile}`;
    return `batchctl infra check --remove ${this.#name} --yes${named}`;
  }

  #round(askInterruption: () => void): CheckRound {
    return { ctx: this.#ctx, stack: this.#stack, steps: this.#steps, askInterruption };
  }

  #say(lines: readonly string[]): void {
    for (const line of lines) this.#ctx.notice(line);
  }

  #onStep({ step, status, seconds, seen }: CheckStep): void {
    if (status === 'planned') return;
    const took = seconds === null ? '' : ` (${seconds.toFixed(1)} s)`;
    this.#ctx.notice(`${status}: ${step}${took}: ${seen.join('; ')}`);
    if (!this.#writesReport) return;
    try {
      this.#write('running');
    } catch (error) {
      this.#ctx.warn(toBatchctlError(error).message);
    }
  }

  #report(verdict: CheckReport['verdict']): CheckReport {
    const { account, profile } = this.#stack;
    const { clock } = this.#ctx;
    const ended = verdict === 'ok' || verdict === 'failed' || verdict === 'interrupted';
    const isGone = !this.#mayHaveResources || (ended && this.#left !== null && this.#left.length === 0);
    return maskReport({
      format: 1,
      verdict,
      stack: profile.stack,
      region: profile.region,
      account,
      instance: this.#instance,
      ledger: profile.ledger.kind,
      ...runtimeInfo(),
      startedAt: new Date(this.#startedAt).toISOString(),
      seconds: Math.round((clock.monotonic() - this.#begun) / 100) / 10,
      cost: this.#cost,
      steps: this.#steps.all,
      left: this.#left,
      remove: isGone ? null : this.#removeCommand,
      logs: this.#logs,
    });
  }

  #write(verdict: CheckReport['verdict']): void {
    writeReport(this.#path, this.#report(verdict));
  }

  #answer(report: CheckReport): Promise<void> {
    return printAnswer(this.#ctx, { json: report, text: checkText(report) });
  }
}
