// Protects: secrets reach only the commands that need them, and no log, report or stored object shows their values.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { KEYS } from '../support/aws-keys.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { forSuite } from '../support/fixture.ts';
import { ManagedWorkspace } from '../support/manager/managed-workspace.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { codesOf } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';

const TOKEN = 'tok-hunter2-5f1c';
const PASSWORD = 'pa55word-of-the-database';
const CREDENTIALS = {
  ...KEYS,
};

/** The command proves that it has the secrets by a value computed from them, and prints them where it should not. */
const job = (tasks: number, run: string): object => ({
  name: 'claims',
  input: { split: { by: 'range', from: 1, to: tasks } },
  steps: [
    {
      ...{ name: 'price', run, attempts: 2 },
      secrets: { TOKEN: 'ssm:/lab/token', PASSWORD: 'secretsmanager:lab/db#password' },
    },
  ],
});
const PROVES = `printf '%s%s' "$TOKEN" "$PASSWORD" | cksum; echo "with $TOKEN and $PASSWORD" >&2`;

describe('secrets, with the built program', () => {
  const moto = forSuite(() => sharedMoto());
  const sqs = forSuite(() => sharedFauxqs());
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  let services: Readonly<Record<string, string>>;

  before(async () => {
    services = {
      ...{ AWS_ENDPOINT_URL_SSM: proxy.url, AWS_ENDPOINT_URL_SECRETS_MANAGER: proxy.url, ...CREDENTIALS },
    };
    await call('AmazonSSM.PutParameter', { Name: '/lab/token', Value: TOKEN, Type: 'SecureString' });
    await call('secretsmanager.CreateSecret', {
      ...{ Name: 'lab/db', SecretString: JSON.stringify({ password: PASSWORD }) },
      ClientRequestToken: '0123456789-0123456789-0123456789',
    });
  });
  afterEach(() => proxy.heal());

  /** The services' own JSON protocol. moto checks no signature; the region is in the credentials' scope. */
  async function call(target: string, body: object): Promise<void> {
    const service = target.startsWith('secretsmanager') ? 'secretsmanager' : 'ssm';
    const answer = await fetch(moto.url, {
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
        ...{ kind: 'answer', status: 400 },
        body: JSON.stringify({ __type: 'AccessDeniedException', message: 'User: u is not authorized' }),
      },
      ({ headers }) => headers['x-amz-target'] === 'AmazonSSM.GetParameter',
    );

  async function onAws(use: (workspace: AwsWorkspace) => Promise<void>): Promise<void> {
    const workspace = await AwsWorkspace.make({ s3: moto.url, sqs: sqs.url, env: services, worksHere: true });
    try {
      await use(workspace);
    } finally {
      await workspace.remove();
    }
  }

  it('of a step and its group reach only the command, and are masked wherever its output is shown', () =>
    onAws(async (workspace) => {
      const config = JSON.parse(readFileSync(workspace.path('batchctl.config.json'), 'utf8'));
      Object.assign(config.profiles.lab.groups.default, {
        env: { REGIONAL: 'yes', TOKEN: 'of the group' },
        secrets: { GROUP: 'secretsmanager:lab/db#password' },
      });
      workspace.write('batchctl.config.json', config);
      const run = `printf '%s%s|%s|%s' "$TOKEN" "$PASSWORD" "$GROUP" "$REGIONAL" | cksum; echo "with $TOKEN and $PASSWORD" >&2; [ "$BATCHCTL_TASK" != 1 ]`;
      workspace.write('job.json', job(3, run));
      const id = await workspace.submit();
      const worked = await workspace.work({}, '--here');
      expect(worked.code, worked.stderr).to.equal(0);
      const fetched = await workspace.well('fetch', id, '-o', 'out/');
      expect(fetched.code).to.equal(0);
      const [name = ''] = readdirSync(workspace.path('out'));
      // The expected secrets, hashed by the same program.
      const given = `${TOKEN}${PASSWORD}|${PASSWORD}|yes`;
      expect(readFileSync(workspace.path('out', name), 'utf8')).to.equal(
        execFileSync('cksum', { input: given }).toString(),
      );
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
    }));

  it('that are denied pause the job and spend no attempt; it continues once access is allowed', () =>
    onAws(async (workspace) => {
      workspace.write('job.json', job(40, PROVES));
      deny();
      const id = await workspace.submit();
      const [watched, worked] = await Promise.all([workspace.run(['watch', id]), workspace.work({}, '--here')]);
      expect([watched.code, worked.code], worked.stderr).to.deep.equal([7, 0]);
      // The pause came before all tasks had asked.
      expect(proxy.count(({ headers }) => headers['x-amz-target'] === 'AmazonSSM.GetParameter')).to.be.below(40);
      const why = await workspace.run(['why', id, '--json']);
      const [cause] = JSON.parse(why.stdout).causes;
      expect(cause).to.include({ code: 'secretRefused', severity: 'stops' });
      expect(cause.evidence[0]).to.include('TOKEN (ssm:/lab/token)').and.include('ssm:GetParameter on arn:aws:ssm:');
      expect((await workspace.well('history', id)).stdout).to.include('ssm:GetParameter on arn');
      const status = JSON.parse((await workspace.well('status', id, '--json')).stdout);
      expect(status).to.include({ state: 'paused', reason: 'secret' });
      proxy.heal();
      await workspace.well('resume', id);
      const [ended] = await Promise.all([workspace.run(['watch', id]), workspace.work({}, '--here')]);
      expect(ended.code, ended.stderr).to.equal(0);
      const { store } = await workspace.platform();
      const spent: string[] = [];
      for await (const key of store.keys(`jobs/${id}/steps/price/`))
        if (/\/(tries|failed)\//.test(key)) spent.push(key);
      expect(spent).to.deep.equal([]);
    }));

  it('of the worker itself are refused on AWS, at submission and by workers, unless the profile names them', () =>
    onAws(async (workspace) => {
      const config = JSON.parse(readFileSync(workspace.path('batchctl.config.json'), 'utf8'));
      const allow = (...allowSecrets: readonly string[]): void => {
        config.profiles.lab.allowSecrets = allowSecrets;
        workspace.write('batchctl.config.json', config);
      };
      config.profiles.lab.groups.default.secrets = { GROUP: 'env:AWS_ACCESS_KEY_ID' };
      workspace.write('key', TOKEN);
      const file = `file:${workspace.path('key')}`;
      const secrets = { TOKEN: file, SAME: 'env:AWS_ACCESS_KEY_ID' };
      workspace.write('job.json', {
        ...{ name: 'claims', input: { split: { by: 'range', from: 1, to: 2 } } },
        steps: [{ name: 'price', run: `[ "$TOKEN$SAME" = ${TOKEN}AKIDEXAMPLE ] && echo well`, secrets }],
      });
      allow();
      for (const verb of ['plan', 'submit']) {
        const { code, stderr } = await workspace.run([verb, 'job.json']);
        expect(code, stderr).to.equal(3);
        expect(stderr).to.include(`steps.price.secrets.TOKEN`).and.include(`"allowSecrets": ["${file}"]`);
      }
      const { store } = await workspace.platform();
      for await (const { key } of store.list('')) expect.fail(`${key} was written`);
      allow(file);
      const id = await workspace.submit();
      allow('env:*');
      const refused = await workspace.work({}, '--here');
      expect(refused.code, refused.stderr).to.equal(0);
      expect(JSON.parse((await workspace.well('status', id, '--json')).stdout)).to.include({ reason: 'secret' });
      expect((await workspace.run(['why', id])).stdout)
        .to.include(`TOKEN (${file})`)
        .and.include('may not read it');
      allow(file);
      await workspace.well('resume', id);
      const [ended] = await Promise.all([workspace.run(['watch', id]), workspace.work({}, '--here')]);
      expect(ended.code, ended.stderr).to.equal(0);
    }));

  it('of a group reach its commands in a rehearsal too, which runs in another group', async () => {
    const workspace = new Workspace();
    try {
      const groups = { default: { env: { REGIONAL: 'yes' }, secrets: { GROUP: 'env:GROUP_TOKEN' } } };
      workspace.write('batchctl.config.json', { profiles: { local: { backend: 'local', groups } } });
      const run = `[ "$GROUP$REGIONAL" = "${TOKEN}yes" ] && echo well`;
      workspace.write('job.json', {
        ...{ name: 'claims', input: { split: { by: 'range', from: 1, to: 3 } } },
        steps: [{ name: 'price', run, attempts: 1 }],
      });
      for (const verb of ['run', 'rehearse']) {
        const ended = await workspace.run([verb, 'job.json', '--json'], { GROUP_TOKEN: TOKEN });
        expect(ended.code, ended.stderr).to.equal(0);
      }
    } finally {
      await workspace.remove();
    }
  });

  it("on the local profile come from the same services, with the environment's credentials", async () => {
    const workspace = new Workspace();
    try {
      workspace.write('job.json', job(2, PROVES));
      const ran = await workspace.run(['run', 'job.json', '--json'], { ...services, AWS_REGION: 'us-east-1' });
      expect(ran.code, ran.stderr).to.equal(0);
      expect(ran.stdout + ran.stderr).to.not.include(TOKEN);
      const without = await workspace.run(['run', 'job.json', '--json'], services);
      expect(without.code, without.stderr).to.equal(7);
      const { job: id } = JSON.parse(without.stdout);
      expect((await workspace.run(['why', id])).stdout).to.include('AWS_REGION');
      expect(await codesOf(await workspace.platform(), id)).to.include('secretRefused');
    } finally {
      await workspace.remove();
    }
  });

  it("are read by a manager's workers with their own permissions: its caller needs none, and sees no secret", async () => {
    const workspace = await ManagedWorkspace.make({ workers: 1, env: { ...services, AWS_REGION: 'us-east-1' } });
    try {
      workspace.write('job.json', { ...job(3, `${PROVES}; [ "$BATCHCTL_TASK" != 1 ]`), tolerate: 1 });
      const ran = await workspace.run(['run', 'job.json', '--json', '-o', 'out/']);
      expect(ran.code, ran.stderr).to.equal(0);
      const { job: id } = JSON.parse(ran.stdout);
      const [name = ''] = readdirSync(workspace.path('out'));
      expect(readFileSync(workspace.path('out', name), 'utf8')).to.equal(
        execFileSync('cksum', { input: `${TOKEN}${PASSWORD}` }).toString(),
      );
      const texts = [ran.stdout, ran.stderr];
      for (const words of [['failures'], ['logs'], ['why'], ['status'], ['report'], ['reproduce', 'price/1']]) {
        const [verb = '', ...rest] = words;
        const ended = await workspace.run([verb, id, ...rest]);
        texts.push(ended.stdout, ended.stderr);
      }
      expect(texts.join('\n')).to.include('with **** and ****').and.not.include(TOKEN).and.not.include(PASSWORD);
    } finally {
      await workspace.remove();
    }
  });
});
