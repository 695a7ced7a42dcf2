/** Job files of the crash tests: small, quick, and with outputs that show at once if anything ran on the wrong input. */

/** Four chains through two map steps, and a gather that counts and adds up. Each run of a command appends to `ran`. */
export const CHAINS = {
  name: 'chains',
  input: { split: { by: 'range', from: 1, to: 4 } },
  steps: [
    { name: 'twice', run: ran('read n && echo $((n * 2))') },
    { name: 'more', run: ran('read n && echo $((n + 1))') },
    { name: 'total', gather: true, run: ran("awk '{ s += $1; c += 1 } END { print c, s }'") },
  ],
};

/** What `CHAINS` publishes. */
export const CHAINS_OUTPUTS = {
  twice: { 0: '2\n', 1: '4\n', 2: '6\n', 3: '8\n' },
  more: { 0: '3\n', 1: '5\n', 2: '7\n', 3: '9\n' },
  total: { 0: '4 24\n' },
};

/** The same, but task 2 fails for good in the first step, at its second attempt; one failure is tolerated. */
export const FAILING = {
  ...CHAINS,
  name: 'failing',
  tolerate: 1,
  steps: CHAINS.steps.map((step) =>
    step.name === 'twice' ? { ...step, attempts: 2, run: ran('read n && [ $n != 3 ] && echo $((n * 2))') } : step,
  ),
};

/** What `FAILING` publishes. */
export const FAILING_OUTPUTS = {
  twice: { 0: '2\n', 1: '4\n', 3: '8\n' },
  more: { 0: '3\n', 1: '5\n', 3: '9\n' },
  total: { 0: '3 17\n' },
};

/** Two tasks whose outputs are too large for one put. */
export const LARGE = {
  name: 'large',
  input: { split: { by: 'range', from: 1, to: 2 } },
  steps: [{ name: 'only', run: 'head -c 9000000 /dev/zero' }],
};

/** Every task of `CHAINS`, as its command names it in the file `ran`. */
export const CHAINS_RAN = Object.entries(CHAINS_OUTPUTS)
  .flatMap(([step, outputs]) => Object.keys(outputs).map((task) => `${step}/${task}`))
  .sort();

/** A command that first says in the file `ran`, in the workspace, which task it is. */
function ran(command: string): string {
  return `echo $BATCHCTL_STEP/$BATCHCTL_TASK >> "$HOME/ran"; ${command}`;
}
