import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, renameSync } from 'node:fs';
import { rangeJob } from '../range-job.ts';
import type { Workspace } from '../workspace.ts';

/** Lays gates, closed, in the workspace: tasks wait at them (`gate`) until `openGate`. */
export function layGates(workspace: Workspace, ...names: readonly string[]): void {
  execFileSync(
    'mkfifo',
    names.map((name) => workspace.path(name)),
  );
}

/** A command that waits at a gate. Opening a pipe that nobody writes to blocks, and a task that waits uses no CPU. */
export const gate = (name: string): string => `: <"$HOME/${name}"`;

/** Lets those who wait at a gate go on, and those who come later pass; unless named, the second half of the claims job. */
export function openGate(workspace: Workspace, name = SECOND_HALF): void {
  const path = workspace.path(name);
  const writer = openSync(path, constants.O_RDWR);
  workspace.write(`${name}.open`, '');
  renameSync(workspace.path(`${name}.open`), path);
  closeSync(writer);
}

const SECOND_HALF = 'second-half';

const SCRIPT = `read n
echo "row $n: read" >&2
[ "$n" -le 20 ] || ${gate(SECOND_HALF)}
case $n in
  7|11|15) [ -e "$HOME/rates" ] || { echo "row $n: no rate for EUR" >&2; exit 3; };;
  4) echo "row $n: amount unreadable: 1.2.3" >&2; exit 65;;
esac
echo "rows 1" >> "$BATCHCTL_COUNTERS"
echo $n
`;

/** Forty claims. Three fail until `bringRates`, one can't be read, and the second half waits for `openGate`. */
export function layClaimsJob(workspace: Workspace): void {
  layGates(workspace, SECOND_HALF);
  workspace.write('job.json', {
    name: 'claims',
    files: ['price.sh'],
    labels: { team: 'finance' },
    input: { split: { by: 'range', from: 1, to: 40 } },
    steps: [
      { name: 'price', attempts: 2, permanent: [3, 65], run: ['sh', 'price.sh'], timeout: '60s' },
      { name: 'total', gather: true, run: 'wc -l' },
    ],
  });
  workspace.write('price.sh', SCRIPT);
}

/** A job of one step over the numbers from 1 to `tasks`. */
export function layRangeJob(workspace: Workspace, name: string, tasks: number, step: object, more: object = {}): void {
  workspace.write('job.json', { ...rangeJob(name, tasks, step), ...more });
}

/** Makes the rates available from now on. */
export const bringRates = (workspace: Workspace): void => workspace.write('rates', '');
