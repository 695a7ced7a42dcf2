import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';

/** A number's first name: SIGABRT, not its alias SIGIOT. */
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** Shells' messages for a command ended by a signal (strsignal). macOS adds the number. */
const TEXTS: Readonly<Record<string, string>> = {
  SIGHUP: 'Hangup',
  SIGQUIT: 'Quit',
  SIGILL: 'Illegal instruction',
  SIGTRAP: 'Trace/breakpoint trap',
  SIGABRT: 'Aborted',
  SIGBUS: 'Bus error',
  SIGFPE: 'Floating point exception',
  SIGKILL: 'Killed',
  SIGUSR1: 'User defined signal 1',
  SIGSEGV: 'Segmentation fault',
  SIGUSR2: 'User defined signal 2',
  SIGALRM: 'Alarm clock',
  SIGTERM: 'Terminated',
  SIGXCPU: 'CPU time limit exceeded',
  SIGXFSZ: 'File size limit exceeded',
  SIGSYS: 'Bad system call',
};
const LONGEST = 80;

/** The signal that a status of 128 + n may mean; null for other statuses. */
export function signalOfStatus(status: number): string | null {
  return status > 128 ? (NAMES.get(status - 128) ?? null) : null;
}

/**
 * Whether the shell noted at the end of a stderr file that this signal ended the command; removes the note. A shell's
 * `$?` can't tell a signal from an exit with 128 + n, but a shell that vforks writes its note to the command's own
 * stderr. An inner shell that writes the note and exits with that status counts as signalled, rightly: the signal did
 * end the work. SIGINT and SIGPIPE are never noted, so they look like an exit.
 */
export function takeSignalNote(path: string, signal: string): boolean {
  const text = TEXTS[signal];
  if (text === undefined) return false;
  let fd: number;
  try {
    fd = openSync(path, 'r+');
  } catch {
    return false;
  }
  try {
    const { size } = fstatSync(fd);
    const tail = Buffer.alloc(Math.min(size, LONGEST));
    readSync(fd, tail, 0, tail.length, size - tail.length);
    const lines = tail.toString('latin1');
    if (!lines.endsWith('\n')) return false;
    const note = /(?:: \d+)?(?: \(core dumped\))?\n$/.exec(lines);
    const end = note === null ? -1 : note.index;
    if (end < text.length || lines.slice(end - text.length, end) !== text) return false;
    ftruncateSync(fd, size - (lines.length - end + text.length));
    return true;
  } finally {
    closeSync(fd);
  }
}
