import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new temporary directory, for `forEachTest` and `forSuite`. */
export class Scratch {
  readonly directory = mkdtempSync(join(tmpdir(), 'batchctl-test-'));

  path(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
