// Protects: AWS calls use the right account, proxy, CA and fresh credentials, and time out and retry when a service hangs.

import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { AwsClients, type AwsClientsOptions } from '../../../src/adapters/aws/clients.ts';
import { type HttpLimits, RoutedHandler } from '../../../src/adapters/aws/http-handler.ts';
import { readIdentity, requireAccount } from '../../../src/adapters/aws/identity.ts';
import { RateLimits, type Sendable } from '../../../src/adapters/aws/rate-limits.ts';
import { QuotaFreeRetries } from '../../../src/adapters/aws/retries.ts';
import { S3Buckets } from '../../../src/adapters/aws/s3-buckets.ts';
import { clientsOptions } from '../../support/aws-clients.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { installed } from '../../support/run/lacking.ts';
import { Scratch } from '../../support/scratch.ts';
import { FaultProxy, type SeenRequest } from '../../support/servers/fault-proxy.ts';
import { listen, serve } from '../../support/servers/listen.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { startConnectProxy } from '../../support/servers/proxies.ts';
import { clientsOf, makeBucket, REGION, storeOf } from './s3-bench.ts';

/** A plain GET to this machine, with the interface that the SDK's handlers expect. */
const getRequest = (port: number, path: string) => ({
  method: 'GET',
  protocol: 'http:',
  hostname: '127.0.0.1',
  port,
  path,
  query: {},
  headers: {},
  clone() {
    return this;
  },
});
const run = promisify(execFile);

describe('AWS clients', () => {
  const moto = forSuite(() => sharedMoto());
  const cleanup = forEachTest(() => new Cleanup());
  const scratch = forEachTest(() => new Scratch());
  let bucket: string;

  before(async () => {
    bucket = await makeBucket(moto.url);
  });

  const clients = (url: string, env: Record<string, string> = {}): AwsClients => cleanup.use(clientsOf(url, env));
  const clientsWith = (options: Partial<AwsClientsOptions>): AwsClients =>
    cleanup.use(new AwsClients(clientsOptions({}, options)));
  const put = async (url: string, env: Record<string, string> = {}): Promise<unknown> =>
    (await storeOf(clients(url, env), bucket)).put('k', 'abc');

  it('load no service before it is needed', async () => {
    const code = `
      import { createRequire } from 'node:module';
      const { AwsClients } = await import(${JSON.stringify(new URL('../../../src/adapters/aws/clients.ts', import.meta.url).href)});
      const clients = new AwsClients({ region: 'eu-west-1', profile: null, account: null, endpoints: {} });
      const loaded = () => Object.keys(createRequire(import.meta.url).cache).filter((path) => /@aws-sdk.client-|credential-provider-node/.test(path));
      const before = loaded().length;
      await clients.s3();
      console.log(JSON.stringify([before, loaded().some((path) => path.includes('client-s3')), loaded().some((path) => path.includes('client-sqs'))]));`;
    const { stdout } = await run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      cwd: process.cwd(),
    });
    expect(JSON.parse(stdout)).to.deep.equal([0, true, false]);
  });

  it('are created once for each use, with their own sockets', async () => {
    const own = clients(moto.url);
    expect(await own.s3('bulk')).to.equal(await own.s3('bulk'));
    expect(await own.s3('bulk')).to.not.equal(await own.s3('control'));
    expect(await own.sqs('poll')).to.not.equal(await own.sqs('heartbeat'));
  });

  it("refuse an account that is not the profile's, before anything is written", async () => {
    const ofAccount = (account: string | null) => clientsWith({ account, endpoints: { sts: moto.url } });
    expect((await readIdentity(ofAccount(null))).account).to.equal('123456789012');
    await requireAccount(ofAccount('123456789012'));
    const error = await failsWith('config', requireAccount(ofAccount('999999999999')));
    expect(error.message).to.contain('999999999999').and.to.contain('123456789012');
  });

  describe('through a proxy', () => {
    it('reach a host that only the proxy can find', async () => {
      const proxy = cleanup.use(await startConnectProxy(moto.url));
      const remote = await storeOf(clients('http://faraway', { HTTP_PROXY: proxy.url }), bucket);
      await remote.put('k', 'abc');
      expect(await readText(remote, 'k')).to.equal('abc');
      expect(new Set(proxy.tunnels)).to.deep.equal(new Set(['faraway:80']));
    });

    it('bypass the proxy for hosts in NO_PROXY, and for this machine', async () => {
      const proxy = cleanup.use(await startConnectProxy(moto.url));
      await put(moto.url, { HTTP_PROXY: proxy.url });
      expect(proxy.tunnels).to.deep.equal([]);
    });

    it('say that the proxy requires a password, and send it', async () => {
      const basic = `Basic ${Buffer.from('ana:secret').toString('base64')}`;
      const proxy = cleanup.use(await startConnectProxy(moto.url, basic));
      const error = await failsWith('config', put('http://faraway', { HTTP_PROXY: proxy.url }));
      expect(error.message).to.contain('the proxy requires a user name and password');
      await put('http://faraway', { HTTP_PROXY: proxy.url.replace('//', '//ana:secret@') });
    });
  });

  describe('over TLS', () => {
    it('trust certificates of AWS_CA_BUNDLE, directly and through a proxy, but no unknown ones', async () => {
      const openssl = installed('openssl');
      const [key, cert] = [scratch.path('key.pem'), scratch.path('cert.pem')];
      const names = 'subjectAltName=DNS:faraway,DNS:localhost';
      const subject = ['-subj', '/CN=test', '-addext', names, '-keyout', key, '-out', cert];
      execFileSync(openssl, ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject], {
        stdio: 'ignore',
      });
      const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) });
      const motoPort = Number(new URL(moto.url).port);
      // A server with TLS that forwards the bytes to moto.
      server.removeAllListeners('secureConnection');
      server.on('secureConnection', (socket) => {
        const upstream = connect(motoPort, '127.0.0.1');
        socket.on('error', () => upstream.destroy());
        upstream.on('error', () => socket.destroy());
        socket.pipe(upstream).pipe(socket);
      });
      const { port, close } = await listen(server);
      cleanup.defer(close);

      const local = `https://localhost:${port}`;
      const error = await failsWith('config', put(local));
      expect(error.message).to.match(/not trusted/);
      await put(local, { AWS_CA_BUNDLE: cert });

      const proxy = cleanup.use(await startConnectProxy(local));
      await put('https://faraway', { AWS_CA_BUNDLE: cert, HTTPS_PROXY: proxy.url });
      expect(proxy.tunnels).to.include('faraway:443');
      await failsWith('config', put(local, { AWS_CA_BUNDLE: scratch.path('nothing') }));
    });
  });

  describe('credentials', () => {
    /** For this test, the environment has no keys, but these variables. */
    function withoutKeys(variables: Readonly<Record<string, string>>): void {
      const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...others } = process.env;
      cleanup.replace(process, 'env', { ...others, ...variables });
    }

    it('come from the instance without a proxy, even if the environment names one', async () => {
      const requests: string[] = [];
      const metadata = await serve((request, answer) => {
        requests.push(`${request.method} ${request.url}`);
        const Expiration = new Date(Date.now() + 3_600_000).toISOString();
        const role = JSON.stringify({ AccessKeyId: 'fromInstance', SecretAccessKey: 's', Token: 't', Expiration });
        const list = request.url?.endsWith('/security-credentials/') === true;
        answer.end(request.method === 'PUT' ? 'token' : list ? 'role' : role);
      });
      cleanup.defer(metadata.close);
      withoutKeys({
        HOME: scratch.directory,
        AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url,
        HTTP_PROXY: 'http://127.0.0.1:9',
        HTTPS_PROXY: 'http://127.0.0.1:9',
      });
      const credentials = await clientsWith({}).credentials();
      expect(credentials).to.include({ accessKeyId: 'fromInstance', sessionToken: 't' });
      expect(requests).to.include('PUT /latest/api/token');
    });

    it('are read again after they were renewed in a file, because session keys have no expiry time', async () => {
      const file = scratch.path('credentials');
      const write = (id: string, token: string): void =>
        writeFileSync(file, `[acme]\naws_access_key_id=${id}\naws_secret_access_key=s\n${token}`);
      const start = Date.now();
      withoutKeys({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: scratch.path('config') });
      const own = clientsWith({ profile: 'acme' });
      write('first', 'aws_session_token=t\n');
      expect(await own.credentials()).to.include({ accessKeyId: 'first' });
      write('second', 'aws_session_token=t\n');
      expect(await own.credentials(), 'not read at each request').to.include({ accessKeyId: 'first' });
      cleanup.replace(Date, 'now', () => start + 6 * 60_000);
      expect(await own.credentials()).to.include({ accessKeyId: 'second' });
      rmSync(file);
      cleanup.replace(Date, 'now', () => start + 14 * 60_000);
      expect(await own.credentials(), 'they are still used').to.include({ accessKeyId: 'second' });
    });

    it('are read again when a service says that they have expired, and the request is repeated with new ones', async () => {
      const file = scratch.path('credentials');
      const write = (token: string): void =>
        writeFileSync(file, `[acme]\naws_access_key_id=k\naws_secret_access_key=s\naws_session_token=${token}\n`);
      const start = Date.now();
      withoutKeys({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: scratch.path('config') });
      write('first');
      const proxy = cleanup.use(await FaultProxy.start(moto.url));
      const isOld = ({ headers }: SeenRequest): boolean => headers['x-amz-security-token'] === 'first';
      const own = clientsWith({ profile: 'acme', endpoints: { s3: proxy.url } });
      const store = await storeOf(own, bucket);
      await store.put('k', 'before');
      proxy.fail(Number.POSITIVE_INFINITY, { kind: 'answer', status: 400, code: 'ExpiredToken' }, isOld);
      await failsWith('credentials', store.put('k', 'refused'));
      write('second');
      await failsWith('credentials', store.put('k', 'looked for ten seconds ago'));
      cleanup.replace(Date, 'now', () => start + 11_000);
      await Promise.all([store.put('a', 'after'), store.put('b', 'after')]);
      proxy.seen.length = 0;
      await store.put('k', 'after');
      expect(proxy.seen.map(({ headers }) => headers['x-amz-security-token'])).to.deep.equal(['second']);
      expect(String(Buffer.from((await store.read('k')) ?? []))).to.equal('after');
    });

    it('say which command to run if there are none', async () => {
      withoutKeys({ AWS_EC2_METADATA_DISABLED: 'true', HOME: scratch.directory });
      const store = await storeOf(clientsWith({ endpoints: { s3: moto.url } }), bucket);
      const error = await failsWith('credentials', store.put('k', 'abc'));
      expect(error).to.have.property('hint').that.contains('aws sso login');
    });
  });

  it('end a request that gets no answer, and one whose body stalls', async () => {
    const silent = await serve((request, answer) => {
      if (request.url === '/body') answer.writeHead(200, { 'content-length': '10' }).write('x');
    });
    cleanup.defer(silent.close);
    /** Only the limit that is given ends a request. */
    const send = (path: string, limits: Partial<HttpLimits>) => {
      const handler = new RoutedHandler({ connect: 60_000, idle: 60_000, sockets: 2, ...limits }, {});
      cleanup.defer(() => handler.destroy());
      return handler.handle(getRequest(silent.port, path));
    };
    expect(await rejection(send('/never', { answer: 150 }))).to.have.property('name', 'TimeoutError');
    const readBody = async () => buffer((await send('/body', { idle: 300 })).response.body);
    expect(await rejection(readBody())).to.have.property('name', 'TimeoutError');
  });

  describe('once S3 limits the request rate', () => {
    /** Lists the requests that waited for a turn, and whether a signal could end the wait. */
    class RecordingLimits extends RateLimits {
      readonly waits: string[] = [];

      override waitForTurn(request: Sendable, signal?: AbortSignal): Promise<void> {
        this.waits.push(`${request.method}${signal === undefined ? '' : ', can be aborted'}`);
        return super.waitForTurn(request, signal);
      }
    }

    it('stores and buckets of a process share one rate limit, and a probe has none', async () => {
      const proxy = cleanup.use(await FaultProxy.start(moto.url));
      const options = clientsOptions({ s3: proxy.url }, { region: REGION });
      const rates = new RecordingLimits();
      const ofStore = cleanup.use(new AwsClients(options, rates));
      const buckets = cleanup.use(new S3Buckets({ clients: options, rates, own: null }));
      const own = await storeOf(ofStore, bucket);
      await own.put('a', 'x');
      expect(rates.waits, 'nothing is refused yet').to.deep.equal([]);
      proxy.fail(1, { kind: 'answer', status: 503, code: 'SlowDown' });
      await own.put('a', 'x');
      await own.read('a', { signal: new AbortController().signal });
      await (await buckets.open(bucket)).put('b', 'x');
      const { HeadBucketCommand } = await import('@aws-sdk/client-s3');
      await (await ofStore.s3('probe')).send(new HeadBucketCommand({ Bucket: bucket }));
      expect(rates.waits, 'including the retry').to.deep.equal(['PUT', 'GET, can be aborted', 'PUT']);
    });
  });

  it('retry with doubling waits and full jitter, honour Retry-After, and give up after a number of attempts', async () => {
    const retries = new QuotaFreeRetries(4, () => 1);
    const failure = { errorType: 'TRANSIENT', error: { name: 'Error', message: 'x' } } as const;
    let token = await retries.acquireInitialRetryToken();
    const delays: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      token = await retries.refreshRetryTokenForRetry(token, failure);
      delays.push(token.getRetryDelay());
    }
    expect(delays).to.deep.equal([100, 200, 400]);
    await rejection(retries.refreshRetryTokenForRetry(token, failure));
    const first = await retries.acquireInitialRetryToken();
    cleanup.replace(Date, 'now', () => 1_000_000);
    const delayed = { ...failure, retryAfterHint: new Date(1_010_000) };
    expect((await retries.refreshRetryTokenForRetry(first, delayed)).getRetryDelay()).to.equal(10_000);
    await rejection(retries.refreshRetryTokenForRetry(first, { ...failure, errorType: 'CLIENT_ERROR' }));
  });
});
