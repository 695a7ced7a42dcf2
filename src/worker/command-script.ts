import { isAbsolute, resolve } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { shellQuote } from '../lib/shell-word.ts';
import type { Command } from './executor.ts';

/** Set in the environment of a worker and of every process of an attempt, to find strays. */
export const ATTEMPT_VARIABLE = 'BATCHCTL_ATTEMPT';
export const WORKER_VARIABLE = 'BATCHCTL_WORKER_ID';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/**
 * Names with a meaning in some shells: assigning them would fail or change the shell, so env(1) sets them. Other users can
 * read its arguments, so no secret has such a name.
 */
export const SHELL_VARIABLES =
  /^(BASH.*|COMP_(CWORD|KEY|LINE|POINT|TYPE|WORDBREAKS|WORDS)|DIRSTACK|E?UID|EPOCH(REALTIME|SECONDS)|FUNC(NAME|NEST)|GROUPS|HIST(CMD|CONTROL|FILE|FILESIZE|IGNORE|SIZE|TIMEFORMAT)|IFS|LINENO|MAIL(CHECK|PATH)?|OPT(ARG|IND|ERR)|POSIXLY_CORRECT|PPID|RANDOM|SECONDS|SHELLOPTS|_)$/;

/** Those of them that a shell which only starts the command can set, too: they have no effect on that. */
const SETTABLE = /^(BASH_ENV|HIST(CONTROL|FILE|FILESIZE|IGNORE|SIZE|TIMEFORMAT)|IFS|MAIL(CHECK|PATH)?)$/;

/** The argv of a command: a string runs under `/bin/sh -c`. */
export function argvOf({ run }: Pick<Command, 'run'>): readonly string[] {
  return typeof run === 'string' ? ['/bin/sh', '-c', run] : run;
}

interface ScriptContext {
  /** Path of the program, with a slash. */
  readonly program: string;
  readonly worker: string;
  /** The FIFO whose write end the command and its children hold as fd 9. */
  readonly fifo: string;
  /** Prefix of the line that reports the exit status. */
  readonly mark: string;
  /** Words put before the command to run it as another user; null: as the worker's user. */
  readonly as: string | null;
}

/**
 * The script that makes the slot's shell run one command and report its status. The shell vforks for a simple command,
 * so everything is one: the shell itself does cd and the redirections, and undoes the latter. stderr comes last, so
 * that the shell's complaint about another redirection goes to the report. Throws `usage` for a variable name that no
 * program could read, or a NUL.
 */
export function commandScript(command: Command, context: ScriptContext): string {
  const { env, words } = wordsOf(command, context);
  const stdout = file(command.stdout);
  const stderr = file(command.stderr);
  const stdin = command.stdin === null ? '/dev/null' : file(command.stdin);
  // Opened twice: `>` empties the file, `>>` makes every write append, so that it can be truncated while it is written.
  const rest = `>${stdout} 9>${file(context.fifo)} 2>${stderr} 2>>${stderr}`;
  // cd exports PWD and OLDPWD, which the command should not get.
  const begin = `cd ${file(command.cwd)} && unset PWD OLDPWD &&`;
  const report = `echo "${context.mark} $?"\n`;
  if (context.as === null) return `${begin} ${env.join(' ')} ${words} <${stdin} ${rest}\n${report}`;
  // The variables are set last, by a shell without the worker's rights: the program that drops them must not use a job's
  // LD_PRELOAD. That shell reads them, as everybody can read the arguments of a process. The here-document comes first:
  // a process that may write a long one must not keep the other files open.
  const end = `end of ${context.mark}`;
  const exports = env.map((word) => `export ${word}\n`).join('');
  return `${begin} ${context.as} /bin/sh -s <<'${end}' 7<${stdin} ${rest}\n${exports}unset PWD OLDPWD SHLVL\nexec ${words} <&7 7<&-\n${end}\n${report}`;
}

/** A command's variables as assignments, and its words. */
function wordsOf(
  command: Command,
  context: ScriptContext,
): { readonly env: readonly string[]; readonly words: string } {
  const env: string[] = [];
  const own: string[] = [];
  for (const name in command.env) {
    if (name === ATTEMPT_VARIABLE || name === WORKER_VARIABLE) continue;
    if (!NAME.test(name)) throw badName(name);
    const isOwn = SHELL_VARIABLES.test(name) && (context.as === null || !SETTABLE.test(name));
    (isOwn ? own : env).push(`${name}=${shellQuote(command.env[name] ?? '')}`);
  }
  env.push(`${ATTEMPT_VARIABLE}=${shellQuote(command.attempt)}`);
  if (context.as !== null) env.push(`${WORKER_VARIABLE}=${shellQuote(context.worker)}`);
  let words = shellQuote(context.program);
  // env(1) would treat a word with = as a variable.
  if (own.length > 0 && context.program.includes('=')) words = `/bin/sh -c 'exec "$0" "$@"' ${words}`;
  const argv = argvOf(command);
  for (let index = 1; index < argv.length; index += 1) words += ` ${shellQuote(argv[index] ?? '')}`;
  return { env, words: own.length === 0 ? words : `/usr/bin/env ${own.join(' ')} ${words}` };
}

function file(path: string): string {
  return shellQuote(isAbsolute(path) ? path : resolve(path));
}

function badName(name: string): BatchctlError {
  const shown = JSON.stringify(name);
  return new BatchctlError('usage', `Expected a variable's name of letters, digits and _, found ${shown}.`, {
    hint: 'Rename the variable in the step’s env.',
  });
}
