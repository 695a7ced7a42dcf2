import type { Workspace } from '../workspace.ts';

/** A task waits until this file is there. */
const gate = (name: string): string => `until [ -e "$HOME/${name}" ]; do sleep 0.02; done`;

const script = (mended: boolean): string => `read n
echo "row $n: read" >&2
[ "$n" -le 20 ] || { ${gate('second-half')}; }
${mended ? '' : `case $n in 7|11|15) echo "row $n: amount unreadable: EUR 1.2.3" >&2; exit 65;; 4) echo "upstream is down" >&2; exit 3;; esac`}
echo "rows 1" >> "$BATCHCTL_COUNTERS"
echo $n
`;

/** Forty claims of which three can't be read and one fails for another reason; the second half waits for a sign. */
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
  workspace.write('price.sh', script(false));
}

/** The program that can read all rows, in place of the one before. */
export const mendClaims = (workspace: Workspace): void => workspace.write('price.sh', script(true));

/** Lets the second half go on. */
export const openGate = (workspace: Workspace): void => workspace.write('second-half', '');
