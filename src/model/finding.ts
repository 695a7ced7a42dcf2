/**
 * A result of `doctor`, `why` or the validation of a stack, and how to fix it. Severities of checks: `fail`: jobs can't run or
 * aren't safe, or what would be created could not work · `warn`: it works for now, or might not · `pass`.
 */
export interface Finding<Severity extends string = 'pass' | 'warn' | 'fail'> {
  readonly severity: Severity;
  /** One sentence with the facts. */
  readonly message: string;
  /**
   * Alternatives separated by `; `, each a command, then `, ` and when or what for; or a sentence. Null if nothing is wrong or
   * the message says it.
   */
  readonly fix: string | null;
}

export const pass = (message: string): Finding<'pass'> => ({ severity: 'pass', message, fix: null });
export const warn = (message: string, fix: string | null): Finding<'warn'> => ({ severity: 'warn', message, fix });
export const fail = (message: string, fix: string | null): Finding<'fail'> => ({ severity: 'fail', message, fix });

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
