import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, renameSync } from 'node:fs';
import { rangeJob } from '../range-job.ts';
import type { Workspace } from '../workspace.ts';

/** Creates closed gates in the workspace: tasks wait at them (`gate`) until `openGate`. */
export function createGates(workspace: Workspace, ...names: readonly string[]): void {
  execFileSync(
    'mkfifo',
    names.map((name) => workspace.path(name)),
  );
}

/** A command that waits at a gate: opening a pipe without a writer blocks, and uses no CPU. */
export const gate = (name: string): string => `: <"$HOME/${name}"`;

/** Lets tasks pass a gate, now and later; unless named, that of the second half of the claims job. */
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

/** Writes a job of forty claims. Three fail until `writeRates`, one can't be read, and the second half waits for `openGate`. */
export function writeClaimsJob(workspace: Workspace): void {
  createGates(workspace, SECOND_HALF);
  workspace.write('job.json', {
    ...rangeJob<object>(
      'claims',
      40,
      { name: 'price', attempts: 2, permanent: [3, 65], run: ['sh', 'price.sh'], timeout: '60s' },
      { name: 'total', gather: true, run: 'wc -l' },
    ),
    files: ['price.sh'],
    labels: { team: 'finance' },
  });
  workspace.write('price.sh', SCRIPT);
}

/** Writes a job of one step over the numbers from 1 to `tasks`. */
export function writeRangeJob(
  workspace: Workspace,
  name: string,
  tasks: number,
  step: object,
  labels: Readonly<Record<string, string>> = {},
): void {
  workspace.write('job.json', { ...rangeJob(name, tasks, step), labels });
}

/** Makes the rates available from now on. */
export const writeRates = (workspace: Workspace): void => workspace.write('rates', '');
