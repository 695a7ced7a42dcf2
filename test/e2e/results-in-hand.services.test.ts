// Protects: a finished result survives expired credentials, redirects to another region, a wrong clock, a proxy's 407 and an
// untrusted certificate: it is put, not computed again.
import { expect } from 'chai';
import type { AwsWorkspace, AwsWorkspaceOptions } from '../support/aws-workspace.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { errorFor } from '../support/grid/faults.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { HostileAws, type Rule } from '../support/servers/hostile-aws.ts';
import { startConnectProxy, startTlsFront } from '../support/servers/proxies.ts';
import { until } from '../support/until.ts';
import { editProfile, emulatedWorkspace, emulators, expectNothingSpent } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';
import { waitingJob } from './waiting-job.ts';

const TASKS = 2;

describe('a result in hand', () => {
  const aws = forSuite(emulators);
  const past = forEachTest(() => emulatedWorkspace());

  /** The same stack as `past`, whose processes reach AWS in another way. */
  async function throughOther(places: Partial<AwsWorkspaceOptions>): Promise<AwsWorkspace> {
    return emulatedWorkspace({ sts: aws.s3, ...places, stack: past.stack });
  }

  /**
   * The service fails in this way once both commands have ended. The worker says why, waits, and puts both results once
   * the cause is gone: no command runs again.
   */
  async function expectPutLater(
    workspace: AwsWorkspace,
    {
      env = {},
      spoil,
      isRefused,
      says,
      mend,
    }: {
      readonly env?: Readonly<Record<string, string>>;
      readonly spoil: () => unknown;
      /** Whether the results have been refused. */
      readonly isRefused: () => boolean;
      readonly says: string;
      readonly mend: () => unknown;
    },
  ): Promise<void> {
    const job = await submitJob(past, waitingJob(TASKS));
    // The file is named, which confirms its endpoints.
    const config = ['--config', workspace.path('batchctl.config.json')];
    const worker = workspace.start(['worker', '--until-empty', '--here', '--slots', String(TASKS), ...config], {
      BATCHCTL_TEST_LEASE_SECONDS: '60',
      ...env,
    });
    await until('both tasks run', () => workspace.lines('ran').length === TASKS);
    await spoil();
    workspace.write('go', '');
    await until('the results are refused', isRefused);
    await until('the worker says why', () => worker.printed().includes(says));
    await mend();
    // A worker that could not read whether its job continues takes no more tasks, and leaves once its results are put.
    const { code, stderr } = await worker.ended;
    expect(code, stderr).to.be.oneOf([0, 3, 6]);
    expectExit(await past.work());
    expect(workspace.lines('ran')).to.have.length(TASKS);
    const [only] = jsonOf(await past.runSuccessfully('status', job, '--json')).steps;
    expect(only).to.include({ done: TASKS, failed: 0, retried: 0, interrupted: 0 });
    expect(await factsOf(await past.platform(), job)).to.deep.include({ ...SUCCEEDED, dead: [] });
    await expectNothingSpent(past, job);
  }

  it('waits for new credentials after its own have expired, and is put with them', async () => {
    const hostile = await HostileAws.start((service) => (service === 'sqs' ? aws.sqs : aws.s3));
    const workspace = await throughOther({
      s3: hostile.url,
      sqs: hostile.url,
      env: { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' },
    });
    const session = (SessionToken: string): void =>
      workspace.write('session.json', {
        Version: 1,
        AccessKeyId: 'ASIAEXAMPLE',
        SecretAccessKey: 'secret',
        SessionToken,
        Expiration: new Date(Date.now() + 3_600_000).toISOString(),
      });
    workspace.write('aws-config', `[default]\ncredential_process = cat ${workspace.path('session.json')}\n`);
    session('first');
    const expired: Rule = {
      refuse: ({ service, headers }) => {
        if (headers['x-amz-security-token'] !== 'first') return null;
        return service === 'sqs'
          ? errorFor('sqs', 403, 'ExpiredTokenException', 'The security token included in the request is expired')
          : errorFor('s3', 400, 'ExpiredToken', 'The provided token has expired.');
      },
    };
    await expectPutLater(workspace, {
      env: { AWS_CONFIG_FILE: workspace.path('aws-config') },
      spoil: () => hostile.enforce(expired),
      isRefused: () => hostile.met.filter((call) => call === 's3:PUT').length >= TASKS,
      says: 'the credentials have expired',
      mend: () => session('second'),
    });
    await workspace.remove();
    await hostile.close();
  });

  for (const [what, status, code, says] of [
    [
      'the bucket is said to be in another region (301)',
      301,
      'PermanentRedirect',
      "is in another region than the profile's",
    ],
    ['S3 redirects to another region (307)', 307, 'TemporaryRedirect', "is in another region than the profile's"],
    ['S3 refuses the signing time', 403, 'RequestTimeTooSkewed', "this machine's clock is"],
  ] as const) {
    it(`waits while ${what}`, async () => {
      const hostile = await HostileAws.start((service) => (service === 'sqs' ? aws.sqs : aws.s3));
      const workspace = await throughOther({ s3: hostile.url, sqs: hostile.url });
      await expectPutLater(workspace, {
        spoil: () =>
          hostile.enforce({ refuse: ({ service }) => (service === 's3' ? errorFor('s3', status, code, what) : null) }),
        isRefused: () => hostile.met.filter((call) => call === 's3:PUT').length >= TASKS,
        says,
        mend: () => hostile.enforce(),
      });
      await workspace.remove();
      await hostile.close();
    });
  }

  it('waits while the proxy requires a password (407)', async () => {
    const proxy = await startConnectProxy(aws.s3);
    const workspace = await throughOther({ env: { HTTP_PROXY: proxy.url } });
    editProfile(workspace, ({ endpoints }) => Object.assign(endpoints, { s3: 'http://faraway' }));
    let tunnels = 0;
    await expectPutLater(workspace, {
      spoil: () => {
        tunnels = proxy.tunnels.length;
        proxy.demand('Basic nobody');
      },
      isRefused: () => proxy.refused > 0,
      says: 'the proxy requires a user name and password',
      mend: () => {
        expect(proxy.tunnels).to.have.length(tunnels);
        proxy.demand(null);
      },
    });
    await workspace.remove();
    await proxy.close();
  });

  it('waits while the certificate is not trusted', async () => {
    const front = await startTlsFront(aws.s3);
    const workspace = await throughOther({ env: { AWS_CA_BUNDLE: front.ca } });
    editProfile(workspace, ({ endpoints }) => Object.assign(endpoints, { s3: front.url }));
    await expectPutLater(workspace, {
      spoil: () => front.present('unknown'),
      isRefused: () => true,
      says: 'the certificate is not trusted',
      mend: () => front.present('trusted'),
    });
    await workspace.remove();
    await front.close();
  });
});
