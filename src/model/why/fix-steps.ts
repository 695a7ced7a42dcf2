/** One step of a fix: a command, and when or why to run it. Either may be empty. */
export interface FixStep {
  readonly command: string;
  readonly remark: string;
}

/** Splits a fix, `COMMAND, REMARK; COMMAND` or a sentence, into its steps. */
export function fixSteps(fix: string): readonly FixStep[] {
  return fix.split('; ').map((step) => {
    if (!step.startsWith('batchctl ')) return { command: '', remark: step };
    const at = step.indexOf(', ');
    return at < 0 ? { command: step, remark: '' } : { command: step.slice(0, at), remark: step.slice(at + 2) };
  });
}
