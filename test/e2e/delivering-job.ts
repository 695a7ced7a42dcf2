import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rangeJob } from '../support/range-job.ts';
import type { Workspace } from '../support/workspace.ts';

/** A job with four tasks that delivers each output as a file. */
export const DELIVERING = {
  ...rangeJob('count', 4, { name: 'upper', run: 'sed s/^/n/' }),
  deliver: { to: 'results/{period}', name: 'n-{task}.txt' },
};
export const FILES = [0, 1, 2, 3].map((n) => `n-00000000${n}.txt`);
export const ALL = ['_SUCCESS', '_manifest.json', ...FILES];

/** A workspace with that job, and the delivered files. */
export class DeliveringJob {
  readonly workspace: Workspace;
  readonly place: string;

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.place = workspace.path('results/2026-11');
    workspace.write('job.json', DELIVERING);
  }

  files(at = this.place): readonly string[] {
    return existsSync(at) ? readdirSync(at).sort() : [];
  }

  text(name: string): string {
    return readFileSync(`${this.place}/${name}`, 'utf8');
  }

  async status(job = 'last') {
    return JSON.parse((await this.workspace.run(['status', job, '--json'])).stdout);
  }

  async deliveries(): Promise<number> {
    const { stdout } = await this.workspace.run(['history', 'last', '--json']);
    const lines = stdout.trim().split('\n');
    return lines.filter((line) => JSON.parse(line).what === 'delivered').length;
  }
}
