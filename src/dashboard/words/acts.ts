/** What a person may do: a command, and when or what for it is. Either may be empty. */
export interface Act {
  readonly command: string;
  readonly remark: string;
}

/** The acts of `COMMAND, REMARK; COMMAND`, or a sentence. */
export function actsOf(mend: string): readonly Act[] {
  return mend.split('; ').map((act) => {
    if (!act.startsWith('batchctl ')) return { command: '', remark: act };
    const at = act.indexOf(', ');
    return at < 0 ? { command: act, remark: '' } : { command: act.slice(0, at), remark: act.slice(at + 2) };
  });
}
