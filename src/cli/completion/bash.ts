import type { Completable } from './completable.ts';
import { posixTables } from './posix-tables.ts';

/** The completion script for bash, 3.2 and newer; bash-completion is not needed. */
export function bashScript(commands: readonly Completable[]): string {
  return `# batchctl completion for bash: eval "$(batchctl completion bash)" in ~/.bashrc

${posixTables(commands)}
${DRIVER}
complete -F _batchctl batchctl
`;
}

const DRIVER = String.raw`_batchctl_add() {
  local word
  while IFS= read -r word; do
    word=\${word#"$strip"}
    # Only file names does bash quote by itself: a key of the store may hold anything, and Enter would run it.
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
