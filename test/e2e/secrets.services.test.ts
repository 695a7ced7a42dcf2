// Protects: secrets reach only the commands that need them, and no log, report or stored object shows their values.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { KEYS } from '../support/aws-keys.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { ManagedWorkspace } from '../support/manager/managed-workspace.ts';
import { rangeJob } from '../support/range-job.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { keysBelow } from '../support/stored.ts';
import { causeCodesOf } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';
import { editProfile, emulatedWorkspace, emulators, expectNothingSpent } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';

const TOKEN = 'tok-hunter2-5f1c';
const PASSWORD = 'pa55word-of-the-database';

/** The command proves that it has the secrets by a value computed from them, and prints them where it should not. */
const job = (tasks: number, run: string): object =>
  rangeJob('claims', tasks, {
    name: 'price',
    run,
    attempts: 2,
    secrets: { TOKEN: 'ssm:/lab/token', PASSWORD: 'secretsmanager:lab/db#password' },
  });
const PROVES = `printf '%s%s' "$TOKEN" "$PASSWORD" | cksum; echo "with $TOKEN and $PASSWORD" >&2`;

describe('secrets', () => {
  const aws = forSuite(emulators);
  const proxy = forSuite(() => FaultProxy.start(aws.s3));
  let services: Readonly<Record<string, string>>;

  before(async () => {
    services = {
      AWS_ENDPOINT_URL_SSM: proxy.url,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: proxy.url,
      ...KEYS,
    };
    await call('AmazonSSM.PutParameter', { Name: '/lab/token', Value: TOKEN, Type: 'SecureString' });
    await call('secretsmanager.CreateSecret', {
      Name: 'lab/db',
      SecretString: JSON.stringify({ password: PASSWORD }),
      ClientRequestToken: '0123456789-0123456789-0123456789',
    });
  });
  afterEach(() => proxy.heal());

  /** The services' own JSON protocol. moto checks no signature; the region is in the credentials' scope. */
  async function call(target: string, body: object): Promise<void> {
    const service = target.startsWith('secretsmanager') ? 'secretsmanager' : 'ssm';
    const answer = await fetch(aws.s3, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': target,
        authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261126/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=x`,
      },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${target}: ${answer.status} ${await answer.text()}`);
  }

  const deny = (): void =>
    proxy.fail(
      Number.POSITIVE_INFINITY,
      {
        kind: 'answer',
        status: 400,
        body: JSON.stringify({ __type: 'AccessDeniedException', message: 'User: u is not authorized' }),
      },
      ({ headers }) => headers['x-amz-target'] === 'AmazonSSM.GetParameter',
    );

  /** What the command `PROVES` prints: the checksum of the secrets, by the same program. */
  const checksumOf = (secrets: string): string => execFileSync('cksum', { input: secrets }).toString();
  const outputIn = (workspace: Workspace): string => {
    const [name = ''] = readdirSync(workspace.path('out'));
    return readFileSync(workspace.path('out', name), 'utf8');
  };

  describe('on AWS', () => {
    const workspace = forEachTest(() => emulatedWorkspace({ env: services, worksHere: true }));
    const workUntilEnd = async (id: string) => {
      const [watched, worked] = await Promise.all([workspace.run(['watch', id]), workspace.work({}, '--here')]);
      expectExit(worked);
      return watched;
    };

    it("passes a step's and its group's secrets only to the command, and masks them wherever its output is shown", async () => {
      editProfile(workspace, ({ groups }) => {
        groups.default.env = { REGIONAL: 'yes', TOKEN: 'of the group' };
        groups.default.secrets = { GROUP: 'secretsmanager:lab/db#password' };
      });
      const run = `printf '%s%s|%s|%s' "$TOKEN" "$PASSWORD" "$GROUP" "$REGIONAL" | cksum; echo "with $TOKEN and $PASSWORD" >&2; [ "$BATCHCTL_TASK" != 1 ]`;
      const id = await submitJob(workspace, job(3, run));
      const worked = expectExit(await workspace.work({}, '--here'));
      await workspace.runSuccessfully('fetch', id, '-o', 'out/');
      expect(outputIn(workspace)).to.equal(checksumOf(`${TOKEN}${PASSWORD}|${PASSWORD}|yes`));
      const texts = [worked.stdout, worked.stderr];
      for (const words of [
        ['failures', id],
        ['logs', id],
        ['history', id],
        ['why', id],
        ['tasks', id, '--task', 'price/1'],
        ['status', id, '--json'],
        ['reproduce', id, 'price/1', '--run', '-o', 'again', '--json'],
        ['report', id],
      ]) {
        const ended = await workspace.run(words);
        texts.push(ended.stdout, ended.stderr);
      }
      expect(texts.join('\n')).to.include('with **** and ****');
      const { store } = await workspace.platform();
      for await (const { key } of store.list('')) texts.push(Buffer.from((await store.read(key)) ?? []).toString());
      for (const name of ['again/env', 'again/run.sh']) texts.push(readFileSync(workspace.path(name), 'utf8'));
      expect(texts.join('\n')).to.not.include(TOKEN).and.not.include(PASSWORD);
    });

    it('pauses the job if a secret is denied, spends no attempt, and continues once access is allowed', async () => {
      deny();
      const id = await submitJob(workspace, job(40, PROVES));
      expectExit(await workUntilEnd(id), 7);
      // The pause came before all tasks had asked.
      expect(proxy.count(({ headers }) => headers['x-amz-target'] === 'AmazonSSM.GetParameter')).to.be.below(40);
      const [cause] = jsonOf(await workspace.run(['why', id, '--json']), 11).causes;
      expect(cause).to.include({ code: 'secretRefused', severity: 'stops' });
      expect(cause.evidence[0]).to.include('TOKEN (ssm:/lab/token)').and.include('ssm:GetParameter on arn:aws:ssm:');
      expect((await workspace.runSuccessfully('history', id)).stdout).to.include('ssm:GetParameter on arn');
      const status = jsonOf(await workspace.runSuccessfully('status', id, '--json'));
      expect(status).to.include({ state: 'paused', reason: 'secret' });
      proxy.heal();
      await workspace.runSuccessfully('resume', id);
      expectExit(await workUntilEnd(id));
      await expectNothingSpent(workspace, id);
    });

    it("refuses a worker's own files and variables, at submission and in workers, unless the profile allows them", async () => {
      const allow = (...allowSecrets: readonly string[]): void =>
        editProfile(workspace, (profile) => {
          profile.allowSecrets = allowSecrets;
          profile.groups.default.secrets = { GROUP: 'env:AWS_ACCESS_KEY_ID' };
        });
      workspace.write('key', TOKEN);
      const file = `file:${workspace.path('key')}`;
      const secrets = { TOKEN: file, SAME: 'env:AWS_ACCESS_KEY_ID' };
      workspace.write(
        'job.json',
        rangeJob('claims', 2, { name: 'price', run: `[ "$TOKEN$SAME" = ${TOKEN}AKIDEXAMPLE ] && echo well`, secrets }),
      );
      allow();
      for (const verb of ['plan', 'submit']) {
        const { stderr } = expectExit(await workspace.run([verb, 'job.json']), 3);
        expect(stderr).to.include(`steps.price.secrets.TOKEN`).and.include(`"allowSecrets": ["${file}"]`);
      }
      expect(await keysBelow((await workspace.platform()).store, '')).to.deep.equal([]);
      allow(file);
      const id = await workspace.submit();
      allow('env:*');
      expectExit(await workspace.work({}, '--here'));
      expect(jsonOf(await workspace.runSuccessfully('status', id, '--json'))).to.include({ reason: 'secret' });
      expect((await workspace.run(['why', id])).stdout)
        .to.include(`TOKEN (${file})`)
        .and.include('may not read it');
      allow(file);
      await workspace.runSuccessfully('resume', id);
      expectExit(await workUntilEnd(id));
    });
  });

  describe('on the local profile', () => {
    const workspace = forEachTest(() => new Workspace());

    it("also passes a group's secrets to its commands in a rehearsal, which runs in another group", async () => {
      const groups = { default: { env: { REGIONAL: 'yes' }, secrets: { GROUP: 'env:GROUP_TOKEN' } } };
      workspace.write('batchctl.config.json', { profiles: { local: { backend: 'local', groups } } });
      const run = `[ "$GROUP$REGIONAL" = "${TOKEN}yes" ] && echo well`;
      workspace.write('job.json', rangeJob('claims', 3, { name: 'price', run, attempts: 1 }));
      for (const verb of ['run', 'rehearse']) {
        expectExit(await workspace.run([verb, 'job.json', '--json'], { GROUP_TOKEN: TOKEN }));
      }
    });

    it("reads secrets from the same services, with the environment's credentials", async () => {
      workspace.write('job.json', job(2, PROVES));
      const run = ['run', 'job.json', '--json'];
      const ran = expectExit(await workspace.run(run, { ...services, AWS_REGION: 'us-east-1' }));
      expect(ran.stdout + ran.stderr).to.not.include(TOKEN);
      const { job: id } = jsonOf(await workspace.run(run, services), 7);
      expect((await workspace.run(['why', id])).stdout).to.include('AWS_REGION');
      expect(await causeCodesOf(await workspace.platform(), id)).to.include('secretRefused');
    });
  });

  describe('through a manager', () => {
    const workspace = forEachTest(() =>
      ManagedWorkspace.make({ workers: 1, env: { ...services, AWS_REGION: 'us-east-1' } }),
    );

    it("reads secrets with the permissions of the manager's workers: its caller needs none, and sees no secret", async () => {
      workspace.write('job.json', { ...job(3, `${PROVES}; [ "$BATCHCTL_TASK" != 1 ]`), tolerate: 1 });
      const ran = expectExit(await workspace.run(['run', 'job.json', '--json', '-o', 'out/']));
      const { job: id } = JSON.parse(ran.stdout);
      expect(outputIn(workspace)).to.equal(checksumOf(`${TOKEN}${PASSWORD}`));
      const texts = [ran.stdout, ran.stderr];
      for (const [verb, ...rest] of [
        ['failures'],
        ['logs'],
        ['why'],
        ['status'],
        ['report'],
        ['reproduce', 'price/1'],
      ]) {
        const ended = await workspace.run([verb ?? '', id, ...rest]);
        texts.push(ended.stdout, ended.stderr);
      }
      expect(texts.join('\n')).to.include('with **** and ****').and.not.include(TOKEN).and.not.include(PASSWORD);
    });
  });
});
