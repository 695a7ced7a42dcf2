// Protects: a profile of ~/.aws/config with an MFA device asks for the code once, on a terminal, and says what to do without one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { getEnvironmentData } from 'node:worker_threads';
import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { credentialsFacts, requireLastingCredentials } from '../../../src/adapters/aws/identity.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { awsChecks } from '../../../src/platform/checks.ts';
import { clientsOptions } from '../../support/aws-clients.ts';
import { AwsWorkspace } from '../../support/aws-workspace.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { startRecorder } from '../../support/grid/front.ts';
import { failsWith } from '../../support/rejection.ts';
import { sharedFauxqs } from '../../support/servers/fauxqs.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { until } from '../../support/until.ts';

const roleOf = (profile: string): string => `arn:aws:iam::123456789012:role/${profile}`;
const DEVICE = 'arn:aws:iam::123456789012:mfa/ann';
const PROGRAM = join(import.meta.dirname, '../../../bin/batchctl.js');

describe('a profile with an MFA device', () => {
  const moto = forSuite(() => sharedMoto());
  const fauxqs = forSuite(() => sharedFauxqs());
  const sts = forSuite(() => startRecorder(moto.url));
  const workspace = forSuite(() => {
    const profile = { aws: { profile: 'ops' } };
    return AwsWorkspace.make({ s3: moto.url, sqs: fauxqs.url, sts: sts.url, profile });
  });
  const cleanup = forEachTest(() => new Cleanup());
  let env: Readonly<Record<string, string>>;

  before(() => {
    mkdirSync(workspace.path('.aws'));
    workspace.write(
      '.aws/config',
      ['ops', 'shared', 'doctor']
        .map((name) => `[profile ${name}]\nrole_arn = ${roleOf(name)}\nsource_profile = ann\nmfa_serial = ${DEVICE}\n`)
        .join(''),
    );
    workspace.write('.aws/credentials', '[ann]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret\n');
    env = {
      PATH: process.env.PATH ?? '',
      HOME: workspace.dir,
      AWS_ENDPOINT_URL_STS: sts.url,
      BATCHCTL_PROFILE: 'lab',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    };
  });

  /** The devices and codes of the requests to STS since the last call. */
  const takeCodes = (): readonly string[] =>
    sts
      .take()
      .map(({ body }) => new URLSearchParams(body))
      .filter((form) => form.get('Action') === 'AssumeRole')
      .map((form) => `${form.get('SerialNumber')} ${form.get('TokenCode')}`);

  /** Runs `batchctl` on a terminal of its own with this input. */
  async function runOnTerminal(input: string, ...args: readonly string[]) {
    const command = [process.execPath, PROGRAM, ...args].join(' ');
    const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: workspace.dir, env });
    child.stdin.end(input);
    const [screen, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    return { screen, code };
  }

  it('asks for the code on a terminal once for all clients, and again after invalid input', async () => {
    const { screen, code } = await runOnTerminal('12345\n123456\n', 'queue', '--json');
    expect(code, screen).to.equal(0);
    expect(screen.match(/MFA code of \S+: /g)).to.deep.equal(Array(2).fill(`MFA code of ${DEVICE}: `));
    expect(screen).to.include('Enter a code of six digits').and.include('"visible"');
    expect(takeCodes()).to.deep.equal([`${DEVICE} 123456`]);
  });

  it('says what to do without a terminal, and does not call STS', async () => {
    cleanup.replace(process.stdin, 'isTTY', false);
    const { code, stderr } = await workspace.run(['queue', '--json'], { ...env, AWS_ACCESS_KEY_ID: '' });
    expect(code).to.equal(3);
    expect(stderr).to.include(`the profile ops requires an MFA code of ${DEVICE}, but there is no terminal`);
    expect(stderr).to.include('aws configure export-credentials --profile ops').and.not.include('sso login');
    expect(takeCodes()).to.deep.equal([]);
  });

  it('shares the session with all clients and later threads until it expires, and then does not ask for a code', async () => {
    const { type } = attachTerminal();
    const options = clientsOptions({ sts: sts.url }, { profile: 'shared' });
    const [one, other] = [cleanup.use(new AwsClients(options)), cleanup.use(new AwsClients(options))];
    type('654321\n');
    const [{ accessKeyId }, second] = await Promise.all([one.credentials(), other.credentials()]);
    expect(second.accessKeyId).to.equal(accessKeyId);
    expect(takeCodes()).to.deep.equal([`${DEVICE} 654321`]);
    expect(getEnvironmentData(`batchctl-mfa-${roleOf('shared')}`)).to.have.property('accessKeyId', accessKeyId);
    const hint = 'run the same command again to enter a new MFA code';
    expect(await credentialsFacts(one)).to.include({ signIn: hint });
    const start = Date.now();
    cleanup.replace(Date, 'now', () => start + 3_700_000);
    const expired = await failsWith('credentials', requireLastingCredentials(other, 30));
    expect(expired.hint).to.equal(hint);
    expect(expired.message).to.include(`the session of ${roleOf('shared')}, started with an MFA code, has expired`);
    expect(takeCodes()).to.deep.equal([]);
  });

  it('makes doctor wait for the code before its checks, as a check has only seconds', async () => {
    const { type, screen } = attachTerminal();
    const directory = workspace.path('doctor');
    mkdirSync(directory);
    const { profiles } = JSON.parse(readFileSync(workspace.path('batchctl.config.json'), 'utf8'));
    const lab = { ...profiles.lab, aws: { profile: 'doctor' } };
    workspace.write('doctor/batchctl.config.json', { profile: 'lab', profiles: { lab } });
    const { profile } = await loadConfig({ cwd: directory, env: {}, home: '', etc: '' });
    if (profile.backend !== 'aws') throw new Error('expected a profile for AWS');
    const opening = awsChecks(profile);
    await until('the code is asked for', () => screen().includes('MFA code of'));
    type('112233\n');
    await (await opening).close();
    expect(takeCodes()).to.deep.equal([`${DEVICE} 112233`]);
  });

  /** Gives this process a terminal and the profiles for this test. */
  function attachTerminal() {
    const keyboard = Object.assign(new PassThrough(), { isTTY: true });
    const screen = Object.assign(new PassThrough(), { isTTY: true });
    let shown = '';
    screen.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
    const [stdin, stderr] = [process.stdin, process.stderr];
    cleanup.defer(() => {
      Object.defineProperty(process, 'stdin', { value: stdin, configurable: true });
      Object.defineProperty(process, 'stderr', { value: stderr, configurable: true });
    });
    Object.defineProperty(process, 'stdin', { value: keyboard, configurable: true });
    Object.defineProperty(process, 'stderr', { value: screen, configurable: true });
    const [config, credentials] = [workspace.path('.aws/config'), workspace.path('.aws/credentials')];
    cleanup.setEnv({ ...env, AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials });
    return { type: (text: string) => keyboard.write(text), screen: () => shown };
  }
});
