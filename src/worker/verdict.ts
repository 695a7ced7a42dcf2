import { accessSync, appendFileSync, constants, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { EndedBy } from './command-watch.ts';
import type { Command, CommandEnd } from './executor.ts';
import { signalOfStatus, takeSignalNote } from './exit-signal.ts';
import type { ShellReport } from './slot-shell.ts';

export type Verdict = Pick<CommandEnd, 'how' | 'code' | 'signal'>;

/** What became of a command, by what its shell reported and why it was ended, if it was. Cleans its stderr of the shell's note. */
export function judge(command: Command, program: string, endedBy: EndedBy | null, report: ShellReport): Verdict {
  const { status, complaint } = report;
  // The shell was killed together with its command.
  if (status === null) return { how: endedBy ?? 'signal', code: 137, signal: 'SIGKILL' };
  const signal = signalOfStatus(status);
  // A shell that vforks leaves its note in the command's stderr, one that forks says it itself.
  const noted = signal !== null && (takeSignalNote(command.stderr, signal) || complaint !== '');
  if (endedBy !== null) return { how: endedBy, code: status, signal: noted ? signal : null };
  if (noted) return { how: 'signal', code: status, signal };
  if (status !== 0 && status <= 128 && complaint !== '') {
    // A directory or a file of the command could not be opened: it was never started.
    explain(command, complaint, false);
    return { how: 'missing', code: null, signal: null };
  }
  if ((status === 126 || status === 127) && !startable(program, command.cwd)) {
    return { how: 'missing', code: null, signal: null };
  }
  return { how: 'exit', code: status, signal: null };
}

/** The end of a command that nothing was started for. */
export function neverStarted(how: 'aborted' | 'missing'): CommandEnd {
  return { how, code: null, signal: null, seconds: 0, cpuSeconds: null, peakMemory: null, strays: 0 };
}

function startable(program: string, cwd: string): boolean {
  try {
    accessSync(isAbsolute(program) ? program : join(cwd, program), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Says in the command's stderr why it never started; `fresh` also empties both files, as a start would have. */
export function explain(command: Command, text: string, fresh: boolean): void {
  try {
    if (fresh) writeFileSync(command.stdout, '', { mode: 0o600 });
    if (fresh) writeFileSync(command.stderr, text, { mode: 0o600 });
    else appendFileSync(command.stderr, text);
  } catch {
    // Nowhere to say it: the outcome `missing` has to do.
  }
}
