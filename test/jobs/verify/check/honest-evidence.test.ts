// Protects: verify --check refuses no honest file: the evidence of real jobs of every shape is consistent, without a warning.
import { expect } from 'chai';
import { checkFile } from '../../../../src/jobs/verify/check/check-file.ts';
import { forEachTest } from '../../../support/fixture.ts';
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
