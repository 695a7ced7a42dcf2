import type { FileCheckResult } from '../jobs/verify/check/check-file.ts';
import { formatDuration, formatSize } from '../lib/units.ts';
import { endsOfResult, isComplete, outputsText } from '../model/completeness-text.ts';
import type { Overrides } from '../model/journal.ts';
import { rehearsalText } from '../model/rehearsal.ts';
import type { Evidence, RoundEvidence, StepEvidence } from '../model/verify/evidence.ts';
import type { Finding } from '../model/verify/findings.ts';
import type { VerifyResult } from '../model/verify/verify-result.ts';
import type { Context } from './context.ts';
import { formatCount, formatInstant, formatMany } from './format.ts';
import { countColumn, renderTable } from './render.ts';
import { paintFor } from './terminal-text.ts';

/** `not proven` rather than `failed`, which a reader could take for the job's own state. */
const VERDICTS: Readonly<Record<VerifyResult['verdict'], string>> = {
  proven: 'proven',
  failed: 'not proven',
  unfinished: 'unfinished',
};

/**
 * A proof for people: the verdict, what was checked, exceptions, and where the proof is kept. `readable`: the outputs are
 * still there, so that they can be read.
 */
export async function verifyText(
  ctx: Context,
  result: VerifyResult,
  kept: { readonly key: string; readonly number: number; readonly checksum: string } | null,
  readable: boolean,
): Promise<string> {
  const lines = await resultLines(ctx, result, { zone: await ctx.zone(), readable });
  if (kept !== null) lines.push('', `proof ${kept.number}: ${kept.key}`, kept.checksum);
  return lines.join('\n');
}

/** The check of a file for people: whether it is consistent, and its proof. `unproven`: it says that the job failed. */
export async function checkText(
  ctx: Context,
  file: string,
  { lines, proof, key, checksum, warnings }: FileCheckResult,
  mismatches: readonly Finding[],
  unproven: boolean,
): Promise<string> {
  const paint = paintFor(ctx, ctx.io.stdout);
  const good = mismatches.length === 0 || unproven;
  const verdict = good ? paint('good', 'is consistent') : paint('bad', 'is not consistent');
  const text = [`${file}: ${verdict}, ${formatMany(lines, 'line')}`];
  if (!unproven) text.push(...mismatches.map(({ message }) => `${paint('bad', 'mismatch:')} ${message}`));
  text.push(...warnings.map(({ message }) => `${paint('doubtful', 'warning:')} ${message}`));
  if (proof === null || (!good && typeof proof.result?.job !== 'string')) return text.join('\n');
  // The zone of this machine, as a check opens no configuration.
  const zone = ctx.flags.tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (good) text.push(...(await resultLines(ctx, proof.result, { zone, readable: false })));
  text.push(
    '',
    `${unproven ? 'verified' : good ? 'proved' : 'claimed to be proved'} by ${proof.who} ${at(proof.when, zone)}, with batchctl ${proof.version}`,
  );
  if (key !== null) text.push(`proof ${key}`, `${checksum}`);
  return text.join('\n');
}

async function resultLines(
  ctx: Context,
  result: VerifyResult,
  { zone, readable }: { readonly zone: string; readonly readable: boolean },
): Promise<string[]> {
  const paint = paintFor(ctx, ctx.io.stdout);
  const tint = result.verdict === 'proven' ? 'good' : result.verdict === 'failed' ? 'bad' : 'doubtful';
  const table = await renderTable(ctx, result.steps, [
    { title: 'step', value: (step) => step.name, min: 6 },
    countColumn('tasks', (step) => step.tasks),
    countColumn('published', (step) => step.published),
    countColumn('failed', (step) => step.failed, true),
    countColumn('skipped', (step) => step.skipped),
    countColumn('missing', (step) => step.missing, true),
  ]);
  const lines = [`${result.job}: ${paint(tint, VERDICTS[result.verdict])} (${result.state})`];
  if (result.rehearsal !== undefined) lines.push(rehearsalText(result.rehearsal.parts, result.rehearsal.of));
  if (result.verdict !== 'unfinished') lines.push(checkedLine(result, readable));
  lines.push('', table);
  const named = [...changedLines(result, zone), ...namedLines(result, zone)];
  if (named.length > 0) lines.push('', ...named);
  if (result.problems.length > 0)
    lines.push('', ...result.problems.map(({ message }) => `${paint('bad', 'problem:')} ${message}`));
  if (result.warnings.length > 0)
    lines.push('', ...result.warnings.map(({ message }) => `${paint('doubtful', 'note:')} ${message}`));
  return lines;
}

function changedLines({ evidence }: VerifyResult, zone: string): readonly string[] {
  return evidence === null ? [] : [...roundLines(evidence, zone), ...outputRoundLines(evidence)];
}

function namedLines(result: VerifyResult, zone: string): readonly string[] {
  const { evidence, chains, failed } = result;
  return [
    ...listed('failed', failed),
    ...(evidence === null || failed.length === 0
      ? []
      : [toleranceLine(evidence, chains.failed, chains.tolerated, zone)]),
    ...result.skips.map(({ step, tasks, who, when, reason }) => {
      return `skipped ${step}/${tasks}, by ${who} ${at(when, zone)}: ${reason}`;
    }),
    ...(result.verdict === 'unfinished' ? [] : listed('missing', result.missing)),
    ...listed('late, kept but not used', result.late),
    ...result.expectations.map(({ equation, ok, left, right, accepted }) => {
      const line = `${ok ? 'holds' : 'does not hold'}: ${equation} (${left ?? '?'}, ${right ?? '?'})`;
      return accepted === undefined
        ? line
        : `${line}, accepted by ${accepted.who} ${at(accepted.when, zone)}: ${accepted.reason}`;
    }),
  ];
}

function checkedLine(result: VerifyResult, readable: boolean): string {
  const { checked, deep } = result;
  const ends = endsOfResult(result);
  const inputs =
    checked.inputs === 0
      ? ''
      : ` of ${formatCount(checked.inputs)} input${checked.inputs === 1 ? '' : 's'} (${formatSize(checked.bytes)})`;
  const how = deep ? 'every byte read' : `without reading their bytes${readable ? ' (use --deep to read them)' : ''}`;
  const comma = isComplete(ends) ? ',' : ';';
  return `${formatMany(checked.parts, 'part')}${inputs}${comma} ${outputsText(ends)}${comma} ${how}`;
}

function listed(what: string, names: readonly string[]): readonly string[] {
  if (names.length === 0) return [];
  const more = names.length > 10 ? ` and more (see --json)` : '';
  return [`${what}: ${names.slice(0, 10).join(', ')}${more}`];
}

/** Characters of a hash that are enough for people to distinguish it. */
const SHORT = 12;

/** Characters of a set of tasks; `--json` has all. */
const SET = 60;

/** The retries, by whom and with which changes, and the extensions: one line per round. */
function roundLines({ rounds, code }: Evidence, zone: string): readonly string[] {
  return rounds.map((round) => {
    const { added } = round;
    if (added !== undefined)
      return `round ${round.round}: added ${formatMany(added.count, 'part')} from part ${added.first} on, by ${round.who} ${at(round.when, zone)}`;
    const changes = changesText(round.changed as Overrides, code);
    const how = changes === '' ? '' : ` with ${changes}`;
    const tasks = setsText(round);
    const what = tasks === '' ? 'judged' : tasks;
    return `round ${round.round}: ${what} again${how}, by ${round.who} ${at(round.when, zone)}`;
  });
}

/** Which round and code made which outputs: one line for each step where they differ. */
function outputRoundLines({ steps, code }: Evidence): readonly string[] {
  return steps.flatMap((step) => {
    const plain = step.made.every((made) => made.round === 0 && made.code === code);
    return plain ? [] : [`outputs of ${step.name}: ${step.made.map((made) => outputRoundText(made, code)).join(', ')}`];
  });
}

function toleranceLine({ tolerance }: Evidence, failed: number, tolerated: number, zone: string): string {
  const { entry, who, when } = tolerance;
  const said = `as ${entry === null ? `the job file says, submitted by ${who}` : `${who} decided`} ${at(when, zone)}`;
  if (failed > tolerated) return `exceeds the tolerance: ${failed} failed for good and ${tolerated} may, ${said}`;
  return `within the tolerance: ${failed} of at most ${tolerated}, ${said}`;
}

function at(when: string, zone: string): string {
  const instant = Date.parse(when);
  return Number.isNaN(instant) ? when : formatInstant(instant, zone);
}

function outputRoundText({ round, code, outputs }: StepEvidence['made'][number], submitted: string | null): string {
  const by = code === submitted ? '' : code === null ? ' without code' : ` by corrected code ${code.slice(0, SHORT)}`;
  return `${formatCount(outputs)} of round ${round}${by}`;
}

function setsText({ tasks }: RoundEvidence): string {
  const text = Object.entries(tasks)
    .map(([step, set]) => `${step}/${set}`)
    .join(' ');
  return text.length > SET ? `${text.slice(0, SET)}...` : text;
}

/** Changes of a job that was submitted with that code. */
function changesText({ timeout, params, defaults, code, steps, expect }: Overrides, submitted: string | null): string {
  return [
    ...(timeout === undefined || timeout === null ? [] : [`timeout ${formatDuration(timeout)}`]),
    ...Object.entries({ ...defaults, ...params }).map(([name, value]) => `${name}=${value}`),
    ...(code === undefined || code === submitted
      ? []
      : [code === null ? 'no code' : `corrected code ${code.slice(0, SHORT)}`]),
    ...Object.entries(steps ?? {}).map(([step, change]) => `other ${Object.keys(change).join(', ')} of ${step}`),
    ...(expect === undefined ? [] : [`corrected control totals (${expect.length === 0 ? 'none' : expect.join('; ')})`]),
  ].join(', ');
}
