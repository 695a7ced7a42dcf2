import type { Severity } from '../model/cause.ts';
import { type Finding, type FixStep, fixSteps } from '../model/finding.ts';
import { wrap } from './help.ts';
import { withPagePaths } from './pages.ts';
import type { Tint } from './terminal-text.ts';

export const SEVERITY_TINTS: Readonly<Record<Finding['severity'] | Severity, Tint>> = {
  pass: 'good',
  warn: 'doubtful',
  fail: 'bad',
  stops: 'bad',
  fails: 'bad',
  slows: 'doubtful',
  waits: 'doubtful',
  note: 'faint',
};

const FIX_LABEL = 'fix:  ';

/**
 * The evidence and the steps of the fix, one per line, to print below the message of a finding. `room` is the width of whole
 * lines. Empty if there is neither.
 */
export function findingDetails(
  { evidence = [], fix }: Pick<Finding, 'fix'> & { readonly evidence?: readonly string[] },
  indent: number,
  room: number,
): string {
  const width = Math.max(30, room - indent - FIX_LABEL.length);
  const steps = fix === null ? [] : fixLines(withPagePaths(fix), width);
  const lines = [
    ...evidence.flatMap((line) => wrap(line, room - indent - 2).map((part, at) => `${at === 0 ? '- ' : '  '}${part}`)),
    ...steps.map((step, at) => `${at === 0 ? FIX_LABEL : ' '.repeat(FIX_LABEL.length)}${step}`),
  ];
  return lines.map((line) => `\n${' '.repeat(indent)}${line}`).join('');
}

/** The steps of a fix, one per line, from a text of the form `COMMAND; COMMAND, REMARK; COMMAND`. */
export function fixLines(fix: string, room: number): readonly string[] {
  return fixStepLines(fixSteps(fix), room);
}

/**
 * One step per line. A command starts the line, unbroken, so that it can be copied. Its remark follows on the same line
 * if all remarks fit into `room` columns, otherwise below. Only remarks are wrapped.
 */
export function fixStepLines(steps: readonly FixStep[], room: number): readonly string[] {
  const width = Math.max(0, ...steps.map(({ command }) => command.length));
  const beside = steps.every(({ command, remark }) => command === '' || width + 2 + remark.length <= room);
  return steps.flatMap(({ command, remark }): readonly string[] => {
    if (command === '') return wrap(remark, room);
    if (remark === '') return [command];
    if (beside) return [`${command.padEnd(width)}  ${remark}`];
    return [command, ...wrap(remark, room - 2).map((line) => `  ${line}`)];
  });
}
