import { type Completable, type CompletableFlag, globalFlags, parentsOf, type ValueKind } from './completable.ts';

/**
 * What bash and zsh share: functions that know the commands, and `_batchctl_plan`, which is given the words after
 * `batchctl`, the last of them to be completed, and prints what it can be: a word and its meaning a line, with a tab
 * between, or `:files`, `:directories`, `:jobFiles` where the shell knows better. Runs in bash 3.2 and newer, and zsh.
 */
export function posixTables(commands: readonly Completable[]): string {
  return `${[
    caseOf('_batchctl_is_command', '$1', [
      ...[...commands.map(({ name }) => name), ...parentsOf(commands)].map(
        (name) => [quoted(name), 'return 0'] as const,
      ),
    ]),
    caseOf('_batchctl_next', '$1', nextWords(commands)),
    caseOf(
      '_batchctl_flags',
      '$1',
      commands.map(({ name, flags }) => [quoted(name), printed(flags.map(flagLine))] as const),
    ),
    `_batchctl_global_flags() {\n  ${printed(globalFlags().map(flagLine))}\n}`,
    caseOf('_batchctl_value_of', '$1 $2', [
      ...commands.flatMap(({ name, flags }) => flags.flatMap((flag) => valueCase(name, flag))),
      ...globalFlags().flatMap((flag) => valueCase('*', flag)),
    ]),
    caseOf('_batchctl_operand', '$1 $2', commands.flatMap(operandCases)),
    PLAN,
  ].join('\n\n')}\n`;
}

const PLAN = String.raw`_batchctl_values() {
  local kind=$1
  shift
  case $kind in
    '') ;;
    '='*) printf '%s\n' "\${kind#=}" ;;
    :*) printf '%s\n' "$kind" ;;
    *) "$_batchctl_program" __complete "$kind" -- "$@" 2>/dev/null ;;
  esac
}

_batchctl_plan() {
  local name='' count=0 kind='' all
  all=("$@")
  while [ $# -gt 1 ]; do
    case $1 in
      --)
        printf ':files\n'
        return 0
        ;;
      --*=*) ;;
      -*)
        if kind=$(_batchctl_value_of "$name" "$1"); then
          if [ $# -eq 2 ]; then
            _batchctl_values "$kind" "\${all[@]}"
            return 0
          fi
          shift
        fi
        ;;
      *)
        if [ "$count" -eq 0 ] && _batchctl_is_command "\${name:+$name }$1"; then
          name="\${name:+$name }$1"
        else
          count=$((count + 1))
        fi
        ;;
    esac
    shift
  done
  case $1 in
    --*=*)
      kind=$(_batchctl_value_of "$name" "\${1%%=*}") && _batchctl_values "$kind" "\${all[@]}"
      ;;
    -*)
      _batchctl_flags "$name"
      _batchctl_global_flags
      ;;
    *)
      if [ "$count" -eq 0 ]; then _batchctl_next "$name"; fi
      kind=$(_batchctl_operand "$name" "$count") && _batchctl_values "$kind" "\${all[@]}"
      ;;
  esac
  return 0
}`.replaceAll('\\${', '${');

/** A function that does what belongs to the first pattern that fits, and fails when none does. */
function caseOf(name: string, word: string, cases: readonly (readonly [string, string])[]): string {
  const lines = cases.map(([pattern, body]) => `    ${pattern}) ${body} ;;`);
  return `${name}() {\n  case "${word}" in\n${lines.join('\n')}\n    *) return 1 ;;\n  esac\n}`;
}

function nextWords(commands: readonly Completable[]): readonly (readonly [string, string])[] {
  const firsts = new Map<string, string>();
  for (const { name, summary } of commands) {
    const [first = '', second] = name.split(' ');
    if (second === undefined) firsts.set(first, summary);
    else if (!firsts.has(first)) firsts.set(first, 'has commands below');
  }
  const below = [...firsts.keys()].flatMap((first) => {
    const inner = commands.filter(({ name }) => name.startsWith(`${first} `));
    const lines = inner.map(({ name, summary }) => `${name.slice(first.length + 1)}\t${summary}`);
    return inner.length === 0 ? [] : [[quoted(first), printed(lines)] as const];
  });
  return [["''", printed([...firsts].map(([word, summary]) => `${word}\t${summary}`))], ...below];
}

function valueCase(name: string, { long, short, value }: CompletableFlag): readonly (readonly [string, string])[] {
  if (value === null) return [];
  const patterns = [long, ...(short === null ? [] : [short])].map((flag) =>
    name === '*' ? `*${quoted(` ${flag}`)}` : quoted(`${name} ${flag}`),
  );
  return [[patterns.join(' | '), `printf '%s' ${quoted(token(value.kind, value.choices))}`]];
}

function operandCases({ name, operands }: Completable): readonly (readonly [string, string])[] {
  return operands.map(({ kind, choices, repeat }, at) => [
    repeat ? `${quoted(`${name} `)}*` : quoted(`${name} ${at}`),
    `printf '%s' ${quoted(token(kind, choices))}`,
  ]);
}

function token(kind: ValueKind | null, choices: readonly string[]): string {
  if (choices.length > 0) return `=${choices.join('\n')}`;
  if (kind === null) return '';
  return kind === 'files' || kind === 'directories' || kind === 'jobFiles' ? `:${kind}` : kind;
}

function flagLine({ long, text }: CompletableFlag): string {
  return `${long}\t${text}`;
}

function printed(lines: readonly string[]): string {
  return lines.length === 0 ? ':' : `printf '%s\\n' ${lines.map(quoted).join(' ')}`;
}

/** In single quotes, for any POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
