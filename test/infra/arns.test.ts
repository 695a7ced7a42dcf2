// Protects: IAM policies name exactly the parameters and secrets of a profile, so that workers can read them.
import { expect } from 'chai';
import { loadConfig } from '../../src/config.ts';
import { Arns } from '../../src/infra/arns.ts';
import { Workspace } from '../support/workspace.ts';

describe('ARNs of secrets', () => {
  it('name a parameter without its version, and a secret with a wildcard for its suffix, as IAM needs', async () => {
    const here = new Workspace();
    try {
      const aws = { backend: 'aws', region: 'eu-west-1', account: '123456789012' };
      here.write('batchctl.config.json', { profile: 'prod', profiles: { prod: aws } });
      const { profile } = await loadConfig({ env: {}, cwd: here.dir, home: '', etc: '' });
      if (profile.backend !== 'aws') throw new Error('expected a profile on AWS');
      const arns = new Arns(profile);
      const claims = 'arn:aws:ssm:eu-west-1:123456789012:parameter/claims/key';
      for (const name of ['/claims/key', 'claims/key', '/claims/key:3', claims])
        expect(arns.parameter(name)).to.equal(claims);
      expect(arns.secret('claims/db')).to.equal(
        'arn:aws:secretsmanager:eu-west-1:123456789012:secret:claims/db-??????',
      );
    } finally {
      await here.remove();
    }
  });
});
