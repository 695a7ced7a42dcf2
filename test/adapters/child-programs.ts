import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { bundled } from '../support/run/bundled.ts';

export type Child = ChildProcessByStdio<Writable, Readable, null>;

/** The path of a program in the folder `fixtures` beside a test. */
export const fixtureProgram = (directory: string, name: string): string =>
  bundled(join(directory, 'fixtures', `${name}.ts`));

/** Programs that a test starts. Those still running at its end are killed. For `forEachTest`. */
export class ChildPrograms {
  readonly #children: Child[] = [];

  start(program: string, ...args: readonly string[]): Child {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    return child;
  }

  /** Programs that begin at the same moment: each has printed that it is ready, and waits for a line. */
  async startTogether(program: string, argLists: readonly (readonly string[])[]): Promise<readonly Child[]> {
    const children = argLists.map((args) => this.start(program, ...args));
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    return children;
  }

  async close(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      child.kill('SIGKILL');
      await exitCodeOf(child);
    }
  }
}

/** The exit code, once it has ended; null if a signal ended it. */
export async function exitCodeOf(child: Child): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}
