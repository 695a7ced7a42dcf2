import { isAbsolute, resolve } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { shellQuote } from '../lib/shell-word.ts';
import type { Command } from './executor.ts';

/** Set in the environment of a worker and of every process of an attempt, to find strays. */
export const ATTEMPT_VARIABLE = 'BATCHCTL_ATTEMPT';
export const WORKER_VARIABLE = 'BATCHCTL_WORKER_ID';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Names with a meaning in some shells: assigning them would fail or change the shell, so env(1) sets them. */
export const SHELL_VARIABLES =
  /^(BASH.*|COMP_.*|DIRSTACK|E?UID|EPOCH.*|FUNC.*|GROUPS|HIST.*|IFS|LINENO|MAIL.*|OPT(ARG|IND|ERR)|POSIXLY_CORRECT|PPID|RANDOM|SECONDS|SHELLOPTS|_)$/;

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
  let assignments = '';
  let own = '';
  for (const name in command.env) {
    if (name === ATTEMPT_VARIABLE || name === WORKER_VARIABLE) continue;
    if (!NAME.test(name)) throw badName(name);
    const word = `${name}=${shellQuote(command.env[name] ?? '')} `;
    if (SHELL_VARIABLES.test(name)) own += word;
    else assignments += word;
  }
  assignments += `${ATTEMPT_VARIABLE}=${shellQuote(command.attempt)} `;
  let words = shellQuote(context.program);
  if (own !== '' || context.as !== null) {
    const worker = `${WORKER_VARIABLE}=${shellQuote(context.worker)} `;
    // Set last: the program that drops the worker's rights still has them, and must not use a job's LD_PRELOAD.
    assignments = `${context.as ?? ''} /usr/bin/env -i ${own}${assignments}${worker}`;
    // env(1) would treat a word with = as a variable.
    if (context.program.includes('=')) words = `/bin/sh -c 'exec "$0" "$@"' ${words}`;
  }
  const stdout = file(command.stdout);
  const stderr = file(command.stderr);
  const stdin = command.stdin === null ? '/dev/null' : file(command.stdin);
  const argv = argvOf(command);
  for (let index = 1; index < argv.length; index += 1) words += ` ${shellQuote(argv[index] ?? '')}`;
  // Opened twice: `>` empties the file, `>>` makes every write append, so that it can be truncated while it is written.
  const redirections = `<${stdin} >${stdout} 9>${file(context.fifo)} 2>${stderr} 2>>${stderr}`;
  // cd exports PWD and OLDPWD, which the command should not get.
  return `cd ${file(command.cwd)} && unset PWD OLDPWD && ${assignments}${words} ${redirections}\necho "${context.mark} $?"\n`;
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
