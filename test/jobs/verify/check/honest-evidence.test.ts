// Protects: verify --check refuses no honest file: the evidence of real jobs of every shape is consistent, without a warning.
import { mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { checkFile } from '../../../../src/jobs/verify/check/check-file.ts';
import { forEachTest } from '../../../support/fixture.ts';
import { ManagedWorkspace } from '../../../support/manager/managed-workspace.ts';
import { Workspace } from '../../../support/workspace.ts';
import { FAILED, type FinishJob, HONEST, writeInput } from './honest-jobs.ts';

describe('verify --check of honest evidence', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  const finished = (finish: FinishJob): Promise<string> => {
    writeInput(workspace);
    return finish(workspace);
  };

  for (const [what, finish] of Object.entries(HONEST))
    it(`has nothing to refuse: ${what}`, async () => {
      const job = await finished(finish);
      // The deep one is stored first, so the other one follows a proof.
      for (const flags of [['--deep'], []]) {
        const path = workspace.path('evidence.ndjson');
        await workspace.runSuccessfully('verify', job, ...flags, '-o', path);
        const { mismatches, warnings, proof } = await checkFile(path);
        const found = { mismatches, warnings, verdict: proof?.result.verdict };
        expect(found).to.deep.equal({ mismatches: [], warnings: [], verdict: 'proven' });
        await workspace.runSuccessfully('verify', job, '--check', path);
      }
      await workspace.runSuccessfully('prune', '--all', '--yes');
      await workspace.runSuccessfully('verify', job, '--check', 'evidence.ndjson');
    });

  it('has nothing to refuse: inputs that were uploaded through a manager, two of them with one name and content', async () => {
    const managed = await ManagedWorkspace.make();
    try {
      for (const directory of ['a', 'b', 'c']) mkdirSync(managed.path(directory));
      for (const [name, rows] of [
        ['a/x.csv', '1\n2\n'],
        ['b/x.csv', '1\n2\n'],
        ['c/x.csv', '3\n'],
      ] as const)
        managed.write(name, rows);
      const input = { from: ['a/x.csv', 'b/x.csv', 'c/x.csv'], split: { by: 'lines', every: 1 } };
      managed.write('job.json', { name: 'honest', input, steps: [{ name: 'up', run: ['cat'] }] });
      const job = await managed.submit();
      expect((await managed.work({}, '--quiet')).code).to.equal(0);
      const path = managed.path('evidence.ndjson');
      await managed.runSuccessfully('verify', job, '--deep', '-o', path);
      const { mismatches, warnings, proof } = await checkFile(path);
      expect({ mismatches, warnings }).to.deep.equal({ mismatches: [], warnings: [] });
      const inputs = proof?.result.evidence?.inputs.listed ?? [];
      expect(new Set(inputs.map(({ source }) => JSON.stringify(source)))).to.have.property('size', 2);
    } finally {
      await managed.remove();
    }
  });

  for (const [what, finish] of Object.entries(FAILED))
    it(`finds only the problems that the proof itself names: ${what}`, async () => {
      const job = await finished(finish);
      const path = workspace.path('evidence.ndjson');
      const { code, stdout } = await workspace.run(['verify', job, '-o', path, '--json']);
      expect(code).to.equal(9);
      const codes = JSON.parse(stdout).problems.map((problem: { readonly code: string }) => problem.code);
      const { mismatches, warnings } = await checkFile(path);
      expect(mismatches.map((found) => found.code)).to.have.members([...codes, 'notProven']);
      expect(warnings).to.deep.equal([]);
    });
});
