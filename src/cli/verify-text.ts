import type { Repaired } from '../jobs/verify/repair.ts';
import { formatSize } from '../lib/units.ts';
import type { StepProof, VerifyResult } from '../model/verify/verify-result.ts';
import { paintFor } from './colors.ts';
import type { Context } from './context.ts';
import { formatCount, formatMany } from './format.ts';
import { type Column, renderTable } from './render-table.ts';

const number = (title: string, of: (step: StepProof) => number, bad = false): Column<StepProof> => ({
  title,
  value: (step) => formatCount(of(step)),
  align: 'right',
  ...(bad && { tint: (step: StepProof) => (of(step) > 0 ? 'bad' : null) }),
});

/** A proof for people: the verdict, a table of the steps, and what is to be named. */
export async function verifyText(ctx: Context, result: VerifyResult): Promise<string> {
  const paint = paintFor(ctx, ctx.io.stdout);
  const tint = result.verdict === 'proven' ? 'good' : result.verdict === 'failed' ? 'bad' : 'doubtful';
  const table = await renderTable(ctx, result.steps, [
    { title: 'step', value: (step) => step.name, min: 6 },
    number('tasks', (step) => step.tasks),
    number('published', (step) => step.published),
    number('failed', (step) => step.failed, true),
    number('skipped', (step) => step.skipped),
    number('missing', (step) => step.missing, true),
  ]);
  const lines = [`${result.job}: ${paint(tint, result.verdict)} (${result.state})`];
  if (result.verdict !== 'unfinished') lines.push(checkedLine(result));
  lines.push('', table);
  const named = [
    ...listed('failed', result.failed),
    ...result.skips.map(({ step, tasks, who, reason }) => `skipped ${step}/${tasks}, by ${who}: ${reason}`),
    ...(result.verdict === 'unfinished' ? [] : listed('missing', result.missing)),
    ...listed('late, kept and not used', result.late),
    ...result.expectations.map(
      ({ equation, ok, left, right }) =>
        `${ok ? 'holds' : 'does not hold'}: ${equation} (${left ?? '?'}, ${right ?? '?'})`,
    ),
  ];
  if (named.length > 0) lines.push('', ...named);
  if (result.problems.length > 0)
    lines.push('', ...result.problems.map(({ message }) => `${paint('bad', 'problem:')} ${message}`));
  if (result.warnings.length > 0)
    lines.push('', ...result.warnings.map(({ message }) => `${paint('doubtful', 'note:')} ${message}`));
  return lines.join('\n');
}

function checkedLine({ checked, deep }: VerifyResult): string {
  const inputs =
    checked.inputs === 0
      ? ''
      : ` of ${formatCount(checked.inputs)} input${checked.inputs === 1 ? '' : 's'} (${formatSize(checked.bytes)})`;
  const how = deep ? 'every byte read' : 'without reading their bytes (--deep does)';
  return `${formatMany(checked.parts, 'part')}${inputs}, ${formatMany(checked.outputs, 'output')}, ${how}`;
}

function listed(what: string, names: readonly string[]): readonly string[] {
  if (names.length === 0) return [];
  const more = names.length > 10 ? ` and more (--json names them)` : '';
  return [`${what}: ${names.slice(0, 10).join(', ')}${more}`];
}

/** What a repair did, in a line or two. */
export function repairText({ missing, sent, reopened, withheld, view, recorded }: Repaired, dryRun: boolean): string {
  const sets = Object.entries(missing).map(([step, tasks]) => `${step}/${tasks}`);
  const ledger = dryRun ? '' : `the ledger knows ${formatCount(recorded)} events from the store; `;
  if (sets.length === 0) return `${ledger}nothing is missing`;
  if (withheld !== null) return `${ledger}${sets.join(', ')} not sent: the job is ${withheld}`;
  const again = reopened
    ? `; the job ${dryRun ? 'would be' : 'is'} open again, in round ${dryRun ? view.round + 1 : view.round}`
    : '';
  return `${ledger}${dryRun ? 'would send' : `sent ${formatCount(sent)}:`} ${sets.join(', ')}${again}`;
}
