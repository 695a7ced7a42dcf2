import { shellQuote } from '../lib/shell-word.ts';
import type { StepSpec } from '../model/job.ts';
import { argvOf, SHELL_VARIABLES } from './command-script.ts';
import { INHERITED } from './environment.ts';

/** The data for `run.sh` and `env` of a reproduced task. */
export interface ReproducedCommand {
  /** `step/n of job, round r`. */
  readonly title: string;
  readonly run: readonly string[] | string;
  /** The directory that paths in `run` begin with; the script has its own place instead. */
  readonly madeIn: string;
  /** The command's own variables, without those inherited from a worker, secrets and paths. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables for files beside `run.sh`: name to file name. */
  readonly places: Readonly<Record<string, string>>;
  /** Name to reference (`env:NAME`, `file:/path`, `ssm:NAME`, `secretsmanager:NAME`). */
  readonly secrets: Readonly<Record<string, string>>;
  readonly output: StepSpec['output'];
  /** The file or directory with the output, beside the script. */
  readonly outputName: string;
  /** False: an empty stdin. */
  readonly stdin: boolean;
  /** Seconds until the command's deadline. */
  readonly timeout: number;
}

/** Set while `run.sh` runs in its clean environment. */
const INSIDE = 'BATCHCTL_REPRODUCE';
/** Marks by which a worker finds processes that its commands left; passed on by the caller of `run.sh`. */
const MARKS = ['BATCHCTL_WORKER_ID', 'BATCHCTL_ATTEMPT'] as const;

/** The file of variables read by `run.sh`: shell assignments, one per line; a value may contain newlines. */
export function envText({ title, env, places, secrets }: ReproducedCommand): string {
  const lines = [`# ${title}: its environment, read by run.sh, where $here is this directory`];
  for (const [name, value] of Object.entries(env)) {
    if (!SHELL_VARIABLES.test(name)) lines.push(`${name}=${shellQuote(value)}`);
  }
  for (const [name, place] of Object.entries(places)) lines.push(`${name}="$here/${place}"`);
  for (const [name, reference] of Object.entries(secrets)) {
    const from = isServiceSecret(reference) ? `its environment: export the value of ${reference} first` : reference;
    lines.push(`# ${name} is a secret: run.sh takes it from ${from}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * A script that runs the command like a worker: with its own environment, working directory `work`, and stdin, stdout
 * and counters beside the script. It prints the exit code to stdout, and exits with it.
 */
export function runScript(command: ReproducedCommand): string {
  const { title, output, stdin, timeout, secrets } = command;
  const outputPath = `"$here"/${shellQuote(command.outputName)}`;
  const redirections = `<${stdin ? '"$here/input"' : '/dev/null'}${output === 'stdout' ? ` >${outputPath}` : output === 'none' ? ' >/dev/null' : ''}`;
  return `${[
    '#!/bin/sh',
    `# ${title}, as a worker runs it. Change what is in work/, and run it again:`,
    '# output, counters and the exit code are those of the command.',
    `here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1`,
    '',
    "# From this shell's environment, the command gets only what it would get from a worker's.",
    `if [ -z "\${${INSIDE}-}" ]; then`,
    `  exec /usr/bin/env -i ${INSIDE}=1 ${[...INHERITED, ...inheritedSecrets(secrets)].map(passVariable).join(' ')} \\`,
    `    ${MARKS.map((name) => `${name}="\${${name}-reproduce}"`).join(' ')} /bin/sh "$here/run.sh"`,
    'fi',
    `unset ${INSIDE}`,
    ...Object.entries(secrets).flatMap(([name, reference]) => secretLines(name, reference)),
    ...inheritedSecrets(secrets).map((name) => (name in secrets ? '' : `unset ${name}`)),
    'set -a',
    '. "$here/env"',
    deadline(timeout),
    'set +a',
    '',
    `rm -rf ${outputPath} "$here/counters"`,
    ...(output === 'files' ? [`mkdir ${outputPath} || exit 1`] : []),
    'cd "$here/work" && unset PWD OLDPWD || exit 1',
    `/usr/bin/env ${words(command)} ${redirections}`,
    'code=$?',
    'echo "exit code $code"',
    'exit "$code"',
  ].join('\n')}\n`;
}

/** Names that the shell would not assign are set by env(1), which also avoids its builtins. */
function words(command: ReproducedCommand): string {
  const own = Object.entries(command.env).filter(([name]) => SHELL_VARIABLES.test(name));
  const placed = (word: string): string => word.split(command.madeIn).map(shellQuote).join('"$here"');
  return [...own.map(([name, value]) => `${name}=${shellQuote(value)}`), ...argvOf(command).map(placed)].join(' ');
}

const passVariable = (name: string): string => `\${${name}+${name}="$${name}"}`;

function inheritedSecrets(secrets: ReproducedCommand['secrets']): readonly string[] {
  const names = Object.entries(secrets).flatMap(([name, reference]) =>
    isServiceSecret(reference) ? name : (/^env:(.+)$/.exec(reference)?.[1] ?? []),
  );
  return [...new Set(names)].filter((name) => !INHERITED.some((known) => known === name));
}

/** A secret kept by a service: only its users can read it. */
const isServiceSecret = (reference: string): boolean => !/^(env|file):/.test(reference);

function secretLines(name: string, reference: string): readonly string[] {
  const [, scheme, rest = ''] = /^(env|file):(.*)$/s.exec(reference) ?? [];
  const missing = `echo ${shellQuote(`secret ${name}: can't be read from ${reference}`)} >&2; exit 3`;
  if (scheme === 'env') {
    return [
      `[ -n "\${${rest}+set}" ] || { ${missing}; }`,
      ...(rest === name ? [] : [`${name}="$${rest}"`]),
      `export ${name}`,
    ];
  }
  if (scheme === 'file') {
    // A shell drops all trailing newlines: the x keeps all but the one that a worker also drops.
    return [
      `${name}=$(cat -- ${shellQuote(rest)} && echo x) || { ${missing}; }`,
      `${name}=\${${name}%x}; ${name}=\${${name}%"\n"}; export ${name}`,
    ];
  }
  const told = `secret ${name}: export ${name} first, with the value of ${reference}, or use batchctl reproduce --run`;
  return [`[ -n "\${${name}+set}" ] || { echo ${shellQuote(told)} >&2; exit 3; }`, `export ${name}`];
}

/** ISO-8601 UTC, the given seconds from now, by GNU's date or BSD's. */
function deadline(timeout: number): string {
  const at = `$(($(date +%s) + ${Math.round(timeout)}))`;
  const format = '+%Y-%m-%dT%H:%M:%S.000Z';
  return `BATCHCTL_DEADLINE=$(date -u -d "@${at}" ${format} 2>/dev/null || date -u -r "${at}" ${format})`;
}
