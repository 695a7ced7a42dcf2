import { wrap } from './help.ts';

/** A suggested command, and when or why to run it. Either may be empty. */
export interface FixStep {
  readonly command: string;
  readonly remark: string;
}

/** The steps of a fix, one per line, from a text of the form `MEND; COMMAND, REMARK; COMMAND`. */
export function fixLines(mend: string, room: number): readonly string[] {
  return fixStepLines(mend.split('; ').map(fixStepOf), room);
}

/**
 * One step per line. A command starts the line, unbroken, so that it can be copied. Its remark follows on the same line
 * if all remarks fit into `room` columns, otherwise below. Only remarks are wrapped.
 */
export function fixStepLines(acts: readonly FixStep[], room: number): readonly string[] {
  const width = Math.max(0, ...acts.map(({ command }) => command.length));
  const beside = acts.every(({ command, remark }) => command === '' || width + 2 + remark.length <= room);
  return acts.flatMap(({ command, remark }): readonly string[] => {
    if (command === '') return wrap(remark, room);
    if (remark === '') return [command];
    if (beside) return [`${command.padEnd(width)}  ${remark}`];
    return [command, ...wrap(remark, room - 2).map((line) => `  ${line}`)];
  });
}

function fixStepOf(act: string): FixStep {
  if (!act.startsWith('batchctl ')) return { command: '', remark: act };
  const at = act.indexOf(', ');
  return at < 0 ? { command: act, remark: '' } : { command: act.slice(0, at), remark: act.slice(at + 2) };
}
