import { type FixStep, fixSteps } from '../model/cause.ts';
import { wrap } from './help.ts';

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
