import type { Completable } from './completable.ts';
import { posixTables } from './posix-tables.ts';

/** The completion script for zsh: as a file `_batchctl` in `$fpath`, or evaluated after `compinit`. */
export function zshScript(commands: readonly Completable[]): string {
  return `#compdef batchctl
# batchctl completion for zsh: batchctl completion zsh > "\${fpath[1]}/_batchctl"

${posixTables(commands)}
${DRIVER}
if [ "\${funcstack[1]}" = _batchctl ]; then
  _batchctl "$@"
else
  compdef _batchctl batchctl
fi
`;
}

const DRIVER = String.raw`_batchctl() {
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
