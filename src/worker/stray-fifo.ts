import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, rmSync } from 'node:fs';
import { hasCode } from '../errors.ts';

/** A holder that writes without pause still counts as one. */
const MOST_READS = 16;

/**
 * A FIFO whose reading end is held by this process, and whose writing ends by a command and all its children. When no
 * one holds a writing end, no one can write to the command's files. Checking costs one system call.
 */
export class StrayFifo {
  readonly path: string;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(4096);

  /** Creates a FIFO at each path, replacing existing files. Blocks for the single process that this takes. */
  static create(paths: readonly string[]): readonly StrayFifo[] {
    for (const path of paths) rmSync(path, { force: true });
    execFileSync('mkfifo', ['-m', '600', ...paths], { stdio: 'ignore', env: { PATH: '/usr/bin:/bin' } });
    return paths.map((path) => new StrayFifo(path));
  }

  private constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  }

  /** True while anyone holds a writing end. */
  held(): boolean {
    try {
      for (let reads = 0; reads < MOST_READS; reads += 1) {
        if (readSync(this.#fd, this.#buffer, 0, this.#buffer.length, null) === 0) return false;
      }
      return true;
    } catch (error) {
      if (hasCode(error, 'EAGAIN')) return true;
      throw error;
    }
  }

  close(): void {
    closeSync(this.#fd);
    rmSync(this.path, { force: true });
  }
}
