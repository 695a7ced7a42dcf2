import { type ChildProcess, spawn } from 'node:child_process';
import { WATCHDOG_SCRIPT } from './helper/watchdog.sh.ts';

/** So that a machine that can start no process isn't kept busy with trying. */
const RESTART_MS = 50;

/**
 * A small process in a session of its own that outlives this one by a moment: when this one ends, by whatever means,
 * it ends the process groups that it was told of and every process that carries the marker in its environment.
 * One that dies is replaced.
 */
export class Watchdog {
  readonly #marker: string;
  readonly #userGroups: readonly number[];
  readonly #groups = new Set<number>();
  #process: ChildProcess | null = null;
  #closed = false;

  /**
   * The marker is `NAME=value`, in the environment of every process that must not outlive this one. Nor must any whose
   * user group is one of `userGroups`.
   */
  constructor(marker: string, userGroups: readonly number[] = []) {
    this.#marker = marker;
    this.#userGroups = userGroups;
  }

  /** From now on the group ends with this process. Returns once that is certain. */
  add(group: number): void {
    this.#groups.add(group);
    if (this.#process === null) this.#start();
    else this.#tell(`add ${group}\n`);
  }

  /** The group is gone: its number may come to name another. */
  remove(group: number): void {
    if (this.#groups.delete(group)) this.#tell(`del ${group}\n`);
  }

  /** Lets it sweep once more, and end by itself; nobody waits. */
  close(): void {
    this.#closed = true;
    this.#process?.stdin?.end();
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
    child.stdin.on('error', () => undefined); // told by 'exit'
    child.unref();
    // The pipe to it is a handle of its own, which would keep this process alive.
    if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
    for (const group of this.#groups) this.#tell(`add ${group}\n`);
  }

  #replace(child: ChildProcess): void {
    if (this.#process !== child) return;
    this.#process = null;
    if (!this.#closed) setTimeout(() => this.#restart(), RESTART_MS).unref();
  }

  #restart(): void {
    if (!this.#closed && this.#process === null && this.#groups.size > 0) this.#start();
  }

  #tell(line: string): void {
    this.#process?.stdin?.write(line);
  }
}
