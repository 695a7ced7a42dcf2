import { shellQuote } from '../../lib/shell-word.ts';
import type { CommandTable } from '../command.ts';
import { allCommandFacts } from '../command-facts.ts';
import type { Context } from '../context.ts';
import {
  type Completable,
  type CompletableFlag,
  completable,
  globalFlags,
  parentsOf,
  type ValueKind,
} from './completable.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export async function completionScript(
  ctx: Context,
  table: CommandTable,
  shell: keyof typeof SCRIPTS,
): Promise<string> {
  const facts = await allCommandFacts(ctx, table);
  const named = facts.flatMap((command) => [command.name, ...command.also].map((name) => ({ ...command, name })));
  return SCRIPTS[shell](named.map(completable));
}

/**
 * The part that bash and zsh share: functions with the tables of commands, and `_batchctl_plan`. It receives the words
 * after `batchctl`, the last of which is to be completed, and prints the candidates: one word and its meaning per line,
 * separated by a tab, or `:files`, `:directories` or `:jobFiles` for the shell to complete. Runs in bash 3.2 and newer,
 * and in zsh.
 */
function posixTables(commands: readonly Completable[]): string {
  return `${[
    caseOf('_batchctl_is_command', '$1', [
      ...[...commands.map(({ name }) => name), ...parentsOf(commands)].map(
        (name) => [shellQuote(name), 'return 0'] as const,
      ),
    ]),
    caseOf('_batchctl_next', '$1', nextWords(commands)),
    caseOf(
      '_batchctl_flags',
      '$1',
      commands.map(({ name, flags }) => [shellQuote(name), printfCommand(flags.map(flagLine))] as const),
    ),
    `_batchctl_global_flags() {\n  ${printfCommand(globalFlags().map(flagLine))}\n}`,
    caseOf('_batchctl_value_of', '$1 $2', [
      ...commands.flatMap(({ name, flags }) => flags.flatMap((flag) => valueCase(name, flag))),
      ...globalFlags().flatMap((flag) => valueCase('*', flag)),
    ]),
    caseOf('_batchctl_operand', '$1 $2', commands.flatMap(operandCases)),
    POSIX_FUNCTIONS,
  ].join('\n\n')}\n`;
}

const POSIX_FUNCTIONS = String.raw`_batchctl_values() {
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

/** A function that runs the body of the first matching pattern, and fails if none matches. */
function caseOf(name: string, word: string, cases: readonly (readonly [string, string])[]): string {
  const lines = cases.map(([pattern, body]) => `    ${pattern}) ${body} ;;`);
  return `${name}() {\n  case "${word}" in\n${lines.join('\n')}\n    *) return 1 ;;\n  esac\n}`;
}

function nextWords(commands: readonly Completable[]): readonly (readonly [string, string])[] {
  const firsts = new Map<string, string>();
  for (const { name, summary } of commands) {
    const [first = '', second] = name.split(' ');
    if (second === undefined) firsts.set(first, summary);
    else if (!firsts.has(first)) firsts.set(first, 'has subcommands');
  }
  const below = [...firsts.keys()].flatMap((first) => {
    const inner = commands.filter(({ name }) => name.startsWith(`${first} `));
    const lines = inner.map(({ name, summary }) => `${name.slice(first.length + 1)}\t${summary}`);
    return inner.length === 0 ? [] : [[shellQuote(first), printfCommand(lines)] as const];
  });
  return [["''", printfCommand([...firsts].map(([word, summary]) => `${word}\t${summary}`))], ...below];
}

function valueCase(name: string, { long, short, value }: CompletableFlag): readonly (readonly [string, string])[] {
  if (value === null) return [];
  const patterns = [long, ...(short === null ? [] : [short])].map((flag) =>
    name === '*' ? `*${shellQuote(` ${flag}`)}` : shellQuote(`${name} ${flag}`),
  );
  return [[patterns.join(' | '), `printf '%s' ${shellQuote(token(value.kind, value.choices))}`]];
}

function operandCases({ name, operands }: Completable): readonly (readonly [string, string])[] {
  return operands.map(({ kind, choices, repeat }, at) => [
    repeat ? `${shellQuote(`${name} `)}*` : shellQuote(`${name} ${at}`),
    `printf '%s' ${shellQuote(token(kind, choices))}`,
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

function printfCommand(lines: readonly string[]): string {
  return lines.length === 0 ? ':' : `printf '%s\\n' ${lines.map(shellQuote).join(' ')}`;
}

/** The completion script for bash 3.2 and newer. It doesn't need bash-completion. */
function bashScript(commands: readonly Completable[]): string {
  return `# batchctl completion for bash: eval "$(batchctl completion bash)" in ~/.bashrc

${posixTables(commands)}
${BASH_DRIVER}
complete -F _batchctl batchctl
`;
}

const BASH_DRIVER = String.raw`_batchctl_add() {
  local word
  while IFS= read -r word; do
    word=\${word#"$strip"}
    # Bash quotes only file names itself. A store key may contain anything, and Enter would run it.
    if [[ -n $quote && $word == *[!A-Za-z0-9_./:=@%+,-]* ]]; then printf -v word '%q' "$word"; fi
    COMPREPLY+=("$word")
  done
}

_batchctl() {
  local _batchctl_program=$1 i piece n=0 joined match strip line quote=''
  joined=()
  # bash breaks words at : and =, so key:month-end comes in three pieces.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    piece=\${COMP_WORDS[i]}
    if ((n > 0)) && [[ $piece == [:=]* || \${joined[n - 1]} == *[:=] ]]; then
      joined[n - 1]+=$piece
    else
      joined[n]=$piece
      n=$((n + 1))
    fi
  done
  ((n > 0)) || return 0
  match=\${joined[n - 1]}
  if [[ $match == --*=* ]]; then match=\${match#*=}; fi
  # Only what follows the last break is replaced.
  strip=\${match%"\${match##*[:=]}"}
  COMPREPLY=()
  compopt -o nosort 2>/dev/null
  while IFS= read -r line; do
    case $line in
      :files)
        compopt -o filenames 2>/dev/null
        _batchctl_add < <(compgen -f -- "$match")
        ;;
      :directories)
        compopt -o filenames 2>/dev/null
        _batchctl_add < <(compgen -d -- "$match")
        ;;
      :jobFiles)
        compopt -o filenames 2>/dev/null
        _batchctl_add < <(
          compgen -d -- "$match"
          for piece in yaml yml json; do compgen -f -X "!*.$piece" -- "$match"; done
        )
        ;;
      "$match"*)
        quote=1
        _batchctl_add <<<"\${line%%$'\t'*}"
        quote=''
        ;;
    esac
  done < <(_batchctl_plan "\${joined[@]}")
}`.replaceAll('\\${', '${');

/** The completion script for fish, 3.0 and newer. */
function fishScript(commands: readonly Completable[]): string {
  const flags = [...globalFlags(), ...commands.flatMap((command) => command.flags)];
  const valued = flags.flatMap(({ long, short, value }) => (value === null ? [] : [long, ...(short ? [short] : [])]));
  const names = [...commands.map(({ name }) => name), ...parentsOf(commands)];
  return `# batchctl completion for fish: batchctl completion fish > ~/.config/fish/completions/batchctl.fish

${fishFunctions([...new Set(valued)], names)}

complete -c batchctl -f
${[
  ...globalFlags().map((flag) => fishLine('', flagWords(flag))),
  ...fishWords(commands),
  ...commands.flatMap(fishCommandLines),
].join('\n')}
`;
}

/** `__batchctl_at NAME [N]` succeeds if the words so far are that command's, with N operands. */
function fishFunctions(valued: readonly string[], names: readonly string[]): string {
  return `function __batchctl_at
    set -l name ''
    set -l count 0
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip -eq 1
            set skip 0
        else if contains -- $word ${valued.join(' ')}
            set skip 1
        else if string match -q -- '-*' $word
            continue
        else
            set -l longer (string trim -- "$name $word")
            if test $count -eq 0; and contains -- $longer ${names.map(fishQuoted).join(' ')}
                set name $longer
            else
                set count (math $count + 1)
            end
        end
    end
    test "$name" = "$argv[1]"; or return 1
    test (count $argv) -eq 1; or test "$argv[2]" = '+'; or test $count -eq $argv[2]
end

function __batchctl_values
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $argv[1] -- $words[2..-1] 2>/dev/null
end

function __batchctl_job_files
    __fish_complete_path (commandline -ct) | string match -r '^.*(?:\\.ya?ml|\\.json|/)(?:\\t.*)?$'
end`;
}

function fishWords(commands: readonly Completable[]): readonly string[] {
  const parents = parentsOf(commands).map((word) => fishLineAt('', 0, `-a ${word} -d 'has subcommands'`));
  const words = commands.map(({ name, summary }) => {
    const [first = '', second] = name.split(' ');
    return second === undefined
      ? fishLineAt('', 0, `-a ${first} -d ${fishQuoted(summary)}`)
      : fishLineAt(first, 0, `-a ${second} -d ${fishQuoted(summary)}`);
  });
  return [...parents, ...words];
}

function fishCommandLines({ name, flags, operands }: Completable): readonly string[] {
  return [
    ...flags.map((flag) => fishLineAt(name, null, flagWords(flag))),
    ...operands.flatMap(({ kind, choices, repeat }, index) => {
      const words = valueWords(kind, choices);
      return words === '' ? [] : [fishLineAt(name, repeat ? '+' : index, words)];
    }),
  ];
}

function fishLineAt(name: string, count: number | '+' | null, words: string): string {
  const test = `__batchctl_at ${name === '' ? '""' : `"${name}"`}${count === null ? '' : ` ${count}`}`;
  return fishLine(`-n '${test}' `, words);
}

const fishLine = (condition: string, words: string): string => `complete -c batchctl ${condition}${words}`;

function flagWords({ long, short, text, value }: CompletableFlag): string {
  const takes = value === null ? '' : ` -r ${valueWords(value.kind, value.choices)}`.trimEnd();
  return `${short === null ? '' : `-s ${short.slice(1)} `}-l ${long.slice(2)}${takes} -d ${fishQuoted(text)}`;
}

function valueWords(kind: ValueKind | null, choices: readonly string[]): string {
  if (choices.length > 0) return `-f -a ${fishQuoted(choices.join(' '))}`;
  switch (kind) {
    case null:
      return '';
    case 'files':
      return '-F';
    case 'directories':
      return "-f -a '(__fish_complete_directories (commandline -ct))'";
    case 'jobFiles':
      return "-f -a '(__batchctl_job_files)'";
    default:
      return `-f -k -a '(__batchctl_values ${kind})'`;
  }
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** The completion script for zsh, either as a file `_batchctl` in `$fpath` or evaluated after `compinit`. */
function zshScript(commands: readonly Completable[]): string {
  return `#compdef batchctl
# batchctl completion for zsh: batchctl completion zsh > "\${fpath[1]}/_batchctl"

${posixTables(commands)}
${ZSH_DRIVER}
if [ "\${funcstack[1]}" = _batchctl ]; then
  _batchctl "$@"
else
  compdef _batchctl batchctl
fi
`;
}

const ZSH_DRIVER = String.raw`_batchctl() {
  local _batchctl_program=\${words[1]} line value text
  local -a joined values shown
  joined=("\${(@Q)words[2,CURRENT]}")
  if [[ $PREFIX == --*=* ]]; then compset -P '*='; fi
  for line in "\${(@f)$(_batchctl_plan "\${joined[@]}")}"; do
    case $line in
      :files) _files ;;
      :directories) _files -/ ;;
      :jobFiles) _files -g '*.(yaml|yml|json)' ;;
      ?*)
        value=\${line%%$'\t'*}
        text=\${line#*$'\t'}
        values+=("$value")
        if [[ $text == "$line" ]]; then shown+=("$value"); else shown+=("$value  -- $text"); fi
        ;;
    esac
  done
  if (( $#values )); then compadd -l -V batchctl -d shown -a values; fi
}`.replaceAll('\\${', '${');
