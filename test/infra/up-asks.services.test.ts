// Protects: infra up shows what it would change and asks before it does, and never asks with --yes.
import { expect } from 'chai';
import { randomId } from '../../src/lib/id.ts';
import { runCli } from '../cli/fake-io.ts';
import { useTestKeys } from '../support/aws-keys.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { Workspace } from '../support/workspace.ts';

describe('infra up at a terminal', () => {
  const moto = forSuite(() => sharedMoto());
  const fauxqs = forSuite(() => sharedFauxqs());
  const here = forEachTest(() => new Workspace());
  before(useTestKeys);

  /** Configures a stack whose existing bucket belongs to someone else. Returns its name. */
  async function configure(): Promise<string> {
    const stack = `asks-${randomId(6)}`;
    await fetch(`${moto.url}/${stack}`, { method: 'PUT' });
    const bucket = { name: stack, existing: true, prefix: 'ours/' };
    const lab = { backend: 'aws', region: 'us-east-1', stack, bucket };
    here.write('batchctl.config.json', { profile: 'lab', profiles: { lab } });
    return stack;
  }
  const up = (stdin: string, ...flags: readonly string[]) =>
    runCli(['infra', 'up', '--only', 'data', ...flags], {
      cwd: here.dir,
      env: { AWS_ENDPOINT_URL: moto.url, AWS_ENDPOINT_URL_SQS: fauxqs.url },
      tty: true,
      columns: 120,
      stdin,
    });

  it('shows what it would create, and what an existing bucket lacks, before it asks', async () => {
    const stack = await configure();
    const { code, stdout, stderr } = await up('n\n');
    expect({ code, stdout }).to.deep.equal({ code: 7, stdout: '' });
    const [before = '', after = ''] = stderr.split('create or change 2 resources');
    expect(before).to.match(new RegExp(`queue +${stack}-default +create`));
    expect(before).to.match(new RegExp(`queue +${stack}-default-dead +create`));
    expect(before).to.include('public access is not blocked').and.include('aws s3api put-public-access-block --bucket');
    expect(before).not.to.match(/ keep/);
    expect(after).to.include('[y/N]');
  });

  it('creates it after a yes, and repeats no warning', async () => {
    const stack = await configure();
    // The plan is not progress, so --quiet doesn't suppress it.
    const { code, stdout, stderr } = await up('y\n', '--quiet');
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(new RegExp(`queue +${stack}-default +create`));
    expect(stderr).to.match(new RegExp(`queue +${stack}-default +create`));
    expect(stderr.split('public access is not blocked')).to.have.length(2);
  });

  it('asks nothing, and shows the plan once, with --yes or --dry-run', async () => {
    for (const flag of ['--dry-run', '--yes']) {
      const stack = await configure();
      const { code, stdout, stderr } = await up('', flag, '--quiet');
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(new RegExp(`queue +${stack}-default +create`));
      expect(stderr).not.to.match(/create|\[y\/N\]/);
      expect(stderr.split('public access is not blocked')).to.have.length(2);
    }
  });
});
