import type { Workspace } from '../support/workspace.ts';

const COUNT = 'echo amount 1.10 >> "$BATCHCTL_COUNTERS"; cat';
const CLAIMS = 'id,v\n1,10\n2,20\n3,30\n4,40\n';

/** Submits a job in a workspace, and finishes it. Returns its id. */
type FinishJob = (workspace: Workspace) => Promise<string>;

/** Finished and proven jobs of every shape that a store can hold, by name. */
export const FINISHED: Readonly<Record<string, FinishJob>> = {
  map: (workspace) =>
    finish(workspace, { files: ['count.sh'], steps: [{ name: 'price', run: ['sh', 'count.sh'] }] }, '--run-key=month'),
  chain: (workspace) =>
    finish(workspace, {
      steps: [
        { name: 'price', run: COUNT },
        { name: 'check', run: ['cat'] },
      ],
    }),
  gather: (workspace) =>
    finish(workspace, {
      expect: ['price.amount == 2.2'],
      steps: [
        { name: 'price', run: COUNT },
        { name: 'total', gather: true, run: ['wc', '-l'] },
      ],
    }),
  explode: (workspace) =>
    finish(workspace, {
      steps: [
        { name: 'cut', output: 'files', explode: true, run: 'split -l 1 - "$BATCHCTL_OUTPUT_DIR/row-"' },
        { name: 'price', run: ['cat'] },
        { name: 'total', gather: true, run: ['cat'] },
      ],
    }),
  'retried and skipped': async (workspace) => {
    const steps = [{ name: 'price', attempts: 1, run: ['sh', 'price.sh'] }];
    const bad = 'read h; read l; case $l in 1*|3*) echo bad >&2; exit 65;; esac; echo $l\n';
    workspace.write('price.sh', bad);
    const job = await submit(workspace, { files: ['price.sh'], steps });
    await work(workspace);
    workspace.write('price.sh', bad.replace('1*|3*', '3*'));
    await workspace.runSuccessfully('retry', job, '--with', 'job.json');
    await work(workspace);
    await workspace.runSuccessfully('skip', job, '--task', 'price/1', '--reason', 'agreed');
    return job;
  },
  tolerated: (workspace) =>
    finish(workspace, {
      tolerate: 1,
      steps: [
        { name: 'price', attempts: 1, run: 'read h; read l; case $l in 1*) exit 65;; esac; echo "$l"' },
        { name: 'total', gather: true, run: ['cat'] },
      ],
    }),
  delivered: (workspace) => finish(workspace, { steps: [{ name: 'price', run: ['cat'] }], deliver: { to: 'results' } }),
  extended: async (workspace) => {
    const job = await finish(workspace, { steps: [{ name: 'price', run: COUNT }] }, '--run-key=month');
    await workspace.runSuccessfully('verify', job, '--deep');
    workspace.write('more.csv', 'id,v\n5,50\n6,60\n7,70\n');
    await workspace.submit('--run-key=month', '--extend', '--input=claims.csv', '--input=more.csv');
    await work(workspace);
    return job;
  },
  pruned: async (workspace) => {
    const job = await finish(workspace, { steps: [{ name: 'price', run: COUNT }], expect: ['price.amount == 2.2'] });
    await workspace.runSuccessfully('verify', job, '--deep');
    await workspace.runSuccessfully('prune', '--all', '--yes');
    return job;
  },
};

async function finish(workspace: Workspace, job: object, ...flags: readonly string[]): Promise<string> {
  workspace.write('count.sh', `${COUNT}\n`);
  const id = await submit(workspace, job, ...flags);
  await work(workspace);
  return id;
}

async function submit(workspace: Workspace, job: object, ...flags: readonly string[]): Promise<string> {
  workspace.write('claims.csv', CLAIMS);
  workspace.write('job.json', {
    name: 'claims',
    input: { from: 'claims.csv', split: { by: 'csv', every: 2, header: true } },
    ...job,
  });
  return workspace.submit(...flags);
}

async function work(workspace: Workspace): Promise<void> {
  const { code, stderr } = await workspace.work({}, '--quiet');
  if (code !== 0) throw new Error(`the worker exited with ${code}: ${stderr}`);
}
