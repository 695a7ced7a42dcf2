import type { Workspace } from '../workspace.ts';

/** Makes a task wait until this file exists. */
const gate = (name: string): string => `until [ -e "$HOME/${name}" ]; do sleep 0.02; done`;

const SCRIPT = `read n
echo "row $n: read" >&2
[ "$n" -le 20 ] || { ${gate('second-half')}; }
case $n in
  7|11|15) [ -e "$HOME/rates" ] || { echo "row $n: no rate for EUR" >&2; exit 3; };;
  4) echo "row $n: amount unreadable: 1.2.3" >&2; exit 65;;
esac
echo "rows 1" >> "$BATCHCTL_COUNTERS"
echo $n
`;

/** Forty claims. Three fail until `bringRates`, one can't be read, and the second half waits for `openGate`. */
export function layClaimsJob(workspace: Workspace): void {
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

/** Makes the rates available from now on. */
export const bringRates = (workspace: Workspace): void => workspace.write('rates', '');

/** Lets the second half run. */
export const openGate = (workspace: Workspace): void => workspace.write('second-half', '');
