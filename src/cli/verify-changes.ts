import { formatDuration } from '../lib/units.ts';
import type { Overrides } from '../model/journal.ts';
import type { Evidence, RoundEvidence, StepEvidence } from '../model/verify/evidence.ts';
import { formatCount, formatInstant } from './format.ts';

/** So much of a hash tells it from others to a person's eye. */
const SHORT = 12;
/** Longer sets of tasks are cut; `--json` has them whole. */
const SET = 60;

/** What was asked for again, by whom, and what was changed for it: a line each. */
export function roundLines({ rounds }: Evidence, zone: string): readonly string[] {
  return rounds.map((round) => {
    const changes = changesText(round.changed);
    const how = changes === '' ? '' : ` with ${changes}`;
    return `round ${round.round}: ${setsText(round)} again${how}, by ${round.who} ${at(round.when, zone)}`;
  });
}

/** Which outputs were made by which round and code: a line for each step that had more than one of them. */
export function madeLines({ steps, code }: Evidence): readonly string[] {
  return steps.flatMap((step) => {
    const plain = step.made.every((made) => made.round === 0 && made.code === code);
    return plain ? [] : [`outputs of ${step.name}: ${step.made.map((made) => madeText(made, code)).join(', ')}`];
  });
}

/** How many may fail, and who said so. */
export function toleranceLine({ tolerance }: Evidence, failed: number, tolerated: number, zone: string): string {
  const { entry, who, when } = tolerance;
  const said = `as ${entry === null ? `the job file says, submitted by ${who}` : `${who} decided`} ${at(when, zone)}`;
  if (failed > tolerated) return `exceeds the tolerance: ${failed} failed for good and ${tolerated} may, ${said}`;
  return `within the tolerance: ${failed} of at most ${tolerated}, ${said}`;
}

/** An instant of a journal entry as a person reads it. */
export function at(when: string, zone: string): string {
  const instant = Date.parse(when);
  return Number.isNaN(instant) ? when : formatInstant(instant, zone);
}

function madeText({ round, code, outputs }: StepEvidence['made'][number], submitted: string | null): string {
  const by = code === submitted ? '' : code === null ? ' without code' : ` by corrected code ${code.slice(0, SHORT)}`;
  return `${formatCount(outputs)} of round ${round}${by}`;
}

function setsText({ tasks }: RoundEvidence): string {
  const text = Object.entries(tasks)
    .map(([step, set]) => `${step}/${set}`)
    .join(' ');
  return text.length > SET ? `${text.slice(0, SET)}...` : text;
}

function changesText({ timeout, params, defaults, code, steps }: Overrides): string {
  return [
    ...(timeout === undefined || timeout === null ? [] : [`timeout ${formatDuration(timeout)}`]),
    ...Object.entries({ ...defaults, ...params }).map(([name, value]) => `${name}=${value}`),
    ...(code === undefined ? [] : [code === null ? 'no code' : `corrected code ${code.slice(0, SHORT)}`]),
    ...Object.entries(steps ?? {}).map(([step, change]) => `other ${Object.keys(change).join(', ')} of ${step}`),
  ].join(', ');
}
