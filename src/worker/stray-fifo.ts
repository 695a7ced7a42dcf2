import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, rmSync } from 'node:fs';
import { hasCode } from '../errors.ts';

/** A holder that writes to its end without pause is still a holder. */
const MOST_READS = 16;

/**
 * A FIFO of which this process holds the reading end, and a command and all its children a writing end: once nobody
 * holds one, nobody is left who could write to the command's files. One system call tells.
 */
export class StrayFifo {
  readonly path: string;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(4096);

  /** Makes a FIFO at each path, replacing what is there. Blocks for the one process that this takes. */
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
