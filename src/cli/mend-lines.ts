import { wrap } from './help.ts';

/**
 * What mends something, one act a line. A command stands alone at the line's beginning, to be copied; when or what for
 * it is stands beside it where all fit `room` columns, else below it. Only the words of people are wrapped.
 */
export function mendLines(mend: string, room: number): readonly string[] {
  const acts = mend.split('; ').map(actOf);
  const width = Math.max(...acts.map(({ command }) => command.length));
  const beside = acts.every(({ command, remark }) => command === '' || width + 2 + remark.length <= room);
  return acts.flatMap(({ command, remark }): readonly string[] => {
    if (command === '') return wrap(remark, room);
    if (remark === '') return [command];
    if (beside) return [`${command.padEnd(width)}  ${remark}`];
    return [command, ...wrap(remark, room - 2).map((line) => `  ${line}`)];
  });
}

interface Act {
  /** Empty for an act that is no command. */
  readonly command: string;
  readonly remark: string;
}

function actOf(act: string): Act {
  if (!act.startsWith('batchctl ')) return { command: '', remark: act };
  const at = act.indexOf(', ');
  return at < 0 ? { command: act, remark: '' } : { command: act.slice(0, at), remark: act.slice(at + 2) };
}
