const SHELL = /^(?:r?ba|da|a|z|k|mk|pdk|ya|fi|c|tc|po)?sh$/;

/** Programs that run the command among their arguments. */
const RUNS_ANOTHER =
  /^(?:env|nice|ionice|chrt|taskset|nohup|setsid|stdbuf|timeout|time|sudo|doas|runuser|setpriv|chroot|unshare|nsenter|flock|xargs|parallel|busybox|toybox|catchsegv|firejail|bwrap|prlimit|numactl|systemd-run|strace|ltrace|watch|xvfb-run|exec|command)$/;

/** Options of shells whose value is the next word: `bash -o pipefail`, `--rcfile FILE`. */
const TAKES_VALUE = /^(?:[-+][A-Za-z]*[oO]|--rcfile|--init-file)$/;

/**
 * The position of the argument that a shell in this argv reads as code: of `-c`, whatever options are around it, also if
 * another program starts the shell (`env sh -c`, `timeout 5 bash -euo pipefail -c`). Null if there is none, such as for a
 * script's file.
 */
export function shellTextAt(argv: readonly string[]): number | null {
  const runsAnother = RUNS_ANOTHER.test(baseOf(argv[0]));
  for (const [at, word] of argv.entries()) {
    if (at > 0 && !runsAnother) return null;
    if (SHELL.test(baseOf(word))) return textAfter(argv, at);
  }
  return null;
}

function textAfter(argv: readonly string[], shell: number): number | null {
  let isCode = false;
  let at = shell + 1;
  for (; /^[-+]./.test(argv[at] ?? ''); at += 1) {
    const word = argv[at] ?? '';
    if (word === '--') {
      at += 1;
      break;
    }
    if (/^-[A-Za-z]*c/.test(word)) isCode = true;
    if (TAKES_VALUE.test(word)) at += 1;
  }
  return isCode && at < argv.length ? at : null;
}

const baseOf = (word = ''): string => word.slice(word.lastIndexOf('/') + 1);
