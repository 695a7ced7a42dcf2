import { type Completable, type CompletableFlag, globalFlags, parentsOf, type ValueKind } from './completable.ts';

/** The completion script for fish, 3.0 and newer. */
export function fishScript(commands: readonly Completable[]): string {
  const flags = [...globalFlags(), ...commands.flatMap((command) => command.flags)];
  const valued = flags.flatMap(({ long, short, value }) => (value === null ? [] : [long, ...(short ? [short] : [])]));
  const names = [...commands.map(({ name }) => name), ...parentsOf(commands)];
  return `# batchctl completion for fish: batchctl completion fish > ~/.config/fish/completions/batchctl.fish

${functions([...new Set(valued)], names)}

complete -c batchctl -f
${[
  ...globalFlags().map((flag) => line('', flagWords(flag))),
  ...nextWords(commands),
  ...commands.flatMap(ofCommand),
].join('\n')}
`;
}

/** `__batchctl_at NAME [N]` holds where the words so far are that command's, with N operands. */
function functions(valued: readonly string[], names: readonly string[]): string {
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
            if test $count -eq 0; and contains -- $longer ${names.map(quoted).join(' ')}
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

function nextWords(commands: readonly Completable[]): readonly string[] {
  const parents = parentsOf(commands).map((word) => at('', 0, `-a ${word} -d 'has commands below'`));
  const words = commands.map(({ name, summary }) => {
    const [first = '', second] = name.split(' ');
    return second === undefined
      ? at('', 0, `-a ${first} -d ${quoted(summary)}`)
      : at(first, 0, `-a ${second} -d ${quoted(summary)}`);
  });
  return [...parents, ...words];
}

function ofCommand({ name, flags, operands }: Completable): readonly string[] {
  return [
    ...flags.map((flag) => at(name, null, flagWords(flag))),
    ...operands.flatMap(({ kind, choices, repeat }, index) => {
      const words = valueWords(kind, choices);
      return words === '' ? [] : [at(name, repeat ? '+' : index, words)];
    }),
  ];
}

function at(name: string, count: number | '+' | null, words: string): string {
  const test = `__batchctl_at ${name === '' ? '""' : `"${name}"`}${count === null ? '' : ` ${count}`}`;
  return line(`-n '${test}' `, words);
}

const line = (condition: string, words: string): string => `complete -c batchctl ${condition}${words}`;

function flagWords({ long, short, text, value }: CompletableFlag): string {
  const takes = value === null ? '' : ` -r ${valueWords(value.kind, value.choices)}`.trimEnd();
  return `${short === null ? '' : `-s ${short.slice(1)} `}-l ${long.slice(2)}${takes} -d ${quoted(text)}`;
}

function valueWords(kind: ValueKind | null, choices: readonly string[]): string {
  if (choices.length > 0) return `-f -a ${quoted(choices.join(' '))}`;
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

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
