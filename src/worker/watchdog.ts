import { type ChildProcess, spawn } from 'node:child_process';

/** Milliseconds: a machine that can't start processes isn't kept busy with trying. */
const RESTART_MS = 50;

/**
 * A small process in a session of its own that outlives this one by a moment. When this process ends, in any way, it
 * kills the registered process groups and every process with the marker in its environment. If it dies, it is replaced.
 */
export class Watchdog {
  readonly #marker: string;
  readonly #userGroups: readonly number[];
  readonly #groups = new Set<number>();
  #process: ChildProcess | null = null;
  #closed = false;

  /**
   * The marker is `NAME=value`, in the environment of every process that must not outlive this one. Processes of the
   * user groups in `userGroups` must not either.
   */
  constructor(marker: string, userGroups: readonly number[] = []) {
    this.#marker = marker;
    this.#userGroups = userGroups;
  }

  /** From now on the group ends with this process. Returns once that is certain. */
  add(group: number): void {
    this.#groups.add(group);
    if (this.#process === null) this.#start();
    else this.#send(`add ${group}\n`);
  }

  /** The group is gone: its number may come to mean another group. */
  remove(group: number): void {
    if (this.#groups.delete(group)) this.#send(`del ${group}\n`);
  }

  /**
   * Lets it sweep once more and end by itself. Where commands have user groups of their own, waits until it has ended: it
   * would kill what this process starts next with one of their ids. The marker is never used again, so nothing waits for that.
   */
  async close(): Promise<void> {
    this.#closed = true;
    const child = this.#process;
    if (child === null) return;
    child.stdin?.end();
    if (this.#userGroups.length === 0) return;
    child.ref();
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve()).once('error', () => resolve());
    });
  }

  #start(): void {
    // Its stdin is close-on-exec on this side: no other child can keep it open after this process's end.
    const groups = this.#userGroups.length === 0 ? '' : `^Gid:[[:space:]]+(${this.#userGroups.join('|')})[[:space:]]`;
    const child = spawn('/bin/sh', ['-c', WATCHDOG_SCRIPT, 'watchdog', this.#marker, groups], {
      detached: true,
      cwd: '/',
      env: {},
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#process = child;
    child.on('error', () => this.#replace(child));
    child.on('exit', () => this.#replace(child));
    child.stdin.on('error', () => undefined); // reported by 'exit'
    child.unref();
    // The pipe to it is a separate handle, which would keep this process alive.
    if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
    for (const group of this.#groups) this.#send(`add ${group}\n`);
  }

  #replace(child: ChildProcess): void {
    if (this.#process !== child) return;
    this.#process = null;
    if (!this.#closed) setTimeout(() => this.#restart(), RESTART_MS).unref();
  }

  #restart(): void {
    if (!this.#closed && this.#process === null && this.#groups.size > 0) this.#start();
  }

  #send(line: string): void {
    this.#process?.stdin?.write(line);
  }
}

/**
 * The watchdog's program (law 5), for `/bin/sh -c` with the worker's marker (`NAME=value`) as $1 and, if commands run
 * in user groups of their own, an expression for their lines in /proc/PID/status as $2; otherwise $2 is empty. It reads
 * process groups from stdin (`add N`, `del N`); the end of stdin means that the worker is gone. It then kills those
 * groups at once, and after that every process with the marker in its environment, or with such a user group, including
 * those that left their process group. It never kills a number below 2: `kill -9 -1` would end everything.
 */
const WATCHDOG_SCRIPT = `
trap '' HUP INT QUIT TERM
PATH=/usr/bin:/bin
marker=$1
users=$2
groups=' '
safe() {
  case $1 in '' | *[!0-9]* | 0* | 1) return 1 ;; esac
}
marked() {
  grep -lzxF -e "$marker" /proc/[0-9]*/environ
  [ -z "$users" ] || grep -lE -e "$users" /proc/[0-9]*/status
} 2>/dev/null
belongs() {
  grep -qzxF -e "$marker" "/proc/$1/environ" && return 0
  [ -n "$users" ] && grep -qE -e "$users" "/proc/$1/status"
}
while read -r verb id; do
  safe "$id" || continue
  case $verb in
    add) groups="$groups$id " ;;
    del) case $groups in *" $id "*) groups="\${groups%% $id *} \${groups#* $id }" ;; esac ;;
  esac
done
for id in $groups; do
  safe "$id" && kill -9 "-$id"
done 2>/dev/null
[ -r /proc/self/environ ] || exit 0
round=0
while [ $round -lt 5 ]; do
  round=$((round + 1))
  found=$(marked)
  [ -n "$found" ] || break
  for path in $found; do
    id=\${path#/proc/}
    id=\${id%/*}
    safe "$id" || continue
    belongs "$id" && kill -9 "$id"
  done 2>/dev/null
done
exit 0
`;
