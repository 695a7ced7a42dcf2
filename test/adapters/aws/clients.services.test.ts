// Protects: AWS calls use the right account, proxy, CA and fresh credentials, and time out and retry when a service hangs.

import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { AwsClients, type AwsClientsOptions } from '../../../src/adapters/aws/clients.ts';
import { RoutedHandler } from '../../../src/adapters/aws/http-handler.ts';
import { readIdentity, requireAccount } from '../../../src/adapters/aws/identity.ts';
import { RateLimits, type Sendable } from '../../../src/adapters/aws/rate-limits.ts';
import { QuotaFreeRetries } from '../../../src/adapters/aws/retries.ts';
import { S3Buckets } from '../../../src/adapters/aws/s3-buckets.ts';
import { createS3Store, type S3Store } from '../../../src/adapters/aws/s3-store.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { installed } from '../../support/run/lacking.ts';
import { FaultProxy } from '../../support/servers/fault-proxy.ts';
import { listen, serve } from '../../support/servers/listen.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { startConnectProxy } from '../../support/servers/proxies.ts';
import { clientsOf, makeBucket, REGION } from './s3-bench.ts';

/** A plain GET to this machine, in the shape that the SDK's handlers take. */
class HttpRequest {
  readonly method = 'GET';
  readonly protocol = 'http:';
  readonly hostname = '127.0.0.1';
  readonly query = {};
  readonly headers = {};
  readonly port: number;
  readonly path: string;

  constructor(port: number, path: string) {
    this.port = port;
    this.path = path;
  }

  clone(): HttpRequest {
    return this;
  }
}

const run = promisify(execFile);

describe('AWS clients', () => {
  const moto = forSuite(() => sharedMoto());
  let bucket: string;
  const closing: (() => unknown)[] = [];

  before(async () => {
    bucket = await makeBucket(moto.url);
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  /** Closed after the test. */
  function closed<T extends { close(): unknown }>(made: T): T {
    closing.push(() => made.close());
    return made;
  }
  const clients = (url: string, env: Record<string, string> = {}): AwsClients => closed(clientsOf(url, env));
  const clientsWith = (options: Partial<AwsClientsOptions>): AwsClients =>
    closed(new AwsClients({ region: REGION, profile: null, account: null, endpoints: {}, ...options }));
  const store = (of: AwsClients): Promise<S3Store> => createS3Store({ clients: of, bucket, prefix: '', kmsKey: null });

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
    const of = clients(moto.url);
    expect(await of.s3('bulk')).to.equal(await of.s3('bulk'));
    expect(await of.s3('bulk')).to.not.equal(await of.s3('control'));
    expect(await of.sqs('poll')).to.not.equal(await of.sqs('heartbeat'));
  });

  describe('the account', () => {
    const of = (account: string | null) => clientsWith({ account, endpoints: { sts: moto.url } });

    it("is checked before anything is written: another than the profile's is refused", async () => {
      expect((await readIdentity(of(null))).account).to.equal('123456789012');
      await requireAccount(of('123456789012'));
      const error = await failsWith('config', requireAccount(of('999999999999')));
      expect(error.message).to.contain('999999999999').and.to.contain('123456789012');
    });
  });

  describe('through a proxy', () => {
    it('reach a host that only the proxy can find', async () => {
      const proxy = closed(await startConnectProxy(moto.url));
      const far = await store(clients('http://faraway', { HTTP_PROXY: proxy.url }));
      await far.put('k', 'abc');
      expect(Buffer.from((await far.read('k')) ?? []).toString()).to.equal('abc');
      expect(new Set(proxy.tunnels)).to.deep.equal(new Set(['faraway:80']));
    });

    it('bypass the proxy for hosts in NO_PROXY, and for this machine', async () => {
      const proxy = closed(await startConnectProxy(moto.url));
      await (await store(clients(moto.url, { HTTP_PROXY: proxy.url }))).put('k', 'abc');
      expect(proxy.tunnels).to.deep.equal([]);
    });

    it('say that the proxy requires a password, and send it', async () => {
      const basic = `Basic ${Buffer.from('ana:secret').toString('base64')}`;
      const proxy = closed(await startConnectProxy(moto.url, basic));
      const far = await store(clients('http://faraway', { HTTP_PROXY: proxy.url }));
      const error = await failsWith('config', far.put('k', 'abc'));
      expect(error.message).to.contain('the proxy requires a user name and password');
      const known = proxy.url.replace('//', '//ana:secret@');
      await (await store(clients('http://faraway', { HTTP_PROXY: known }))).put('k', 'abc');
    });
  });

  describe('over TLS', () => {
    it('trust certificates of AWS_CA_BUNDLE, directly and through a proxy, but no unknown ones', async () => {
      const openssl = installed('openssl');
      const directory = mkdtempSync(join(tmpdir(), 'batchctl-tls-'));
      closing.push(() => rmSync(directory, { recursive: true, force: true }));
      const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
      const names = 'subjectAltName=DNS:faraway,DNS:localhost';
      const subject = ['-subj', '/CN=test', '-addext', names, '-keyout', key, '-out', cert];
      execFileSync(openssl, ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject], {
        stdio: 'ignore',
      });
      const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) });
      const motoPort = Number(new URL(moto.url).port);
      // With TLS, moto returns the bytes.
      server.removeAllListeners('secureConnection');
      server.on('secureConnection', (socket) => {
        const upstream = connect(motoPort, '127.0.0.1');
        socket.on('error', () => upstream.destroy());
        upstream.on('error', () => socket.destroy());
        socket.pipe(upstream).pipe(socket);
      });
      const { port, close } = await listen(server);
      closing.push(close);

      const local = `https://localhost:${port}`;
      const error = await failsWith('config', (await store(clients(local))).put('k', 'abc'));
      expect(error.message).to.match(/not trusted/);
      await (await store(clients(local, { AWS_CA_BUNDLE: cert }))).put('k', 'abc');

      const proxy = closed(await startConnectProxy(local));
      const env = { AWS_CA_BUNDLE: cert, HTTPS_PROXY: proxy.url };
      await (await store(clients('https://faraway', env))).put('k', 'abc');
      expect(proxy.tunnels).to.include('faraway:443');
      await failsWith('config', store(clients(local, { AWS_CA_BUNDLE: join(directory, 'nothing') })));
    });
  });

  describe('credentials', () => {
    /** Replaces the environment for this test: it has no keys, but these variables. */
    function withoutKeys(variables: Readonly<Record<string, string>>): void {
      const { env } = process;
      closing.push(() => {
        process.env = env;
      });
      const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...others } = env;
      process.env = { ...others, ...variables };
    }

    it('come from the instance without any proxy, whatever the environment says', async () => {
      const seen: string[] = [];
      const metadata = await serve((request, answer) => {
        seen.push(`${request.method} ${request.url}`);
        const Expiration = new Date(Date.now() + 3_600_000).toISOString();
        const role = JSON.stringify({ AccessKeyId: 'fromInstance', SecretAccessKey: 's', Token: 't', Expiration });
        const list = request.url?.endsWith('/security-credentials/') === true;
        answer.end(request.method === 'PUT' ? 'token' : list ? 'role' : role);
      });
      closing.push(metadata.close);
      withoutKeys({
        HOME: mkdtempSync(join(tmpdir(), 'batchctl-home-')),
        AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url,
        HTTP_PROXY: 'http://127.0.0.1:9',
        HTTPS_PROXY: 'http://127.0.0.1:9',
      });
      const of = clientsWith({});
      expect(await of.credentials()).to.include({ accessKeyId: 'fromInstance', sessionToken: 't' });
      expect(seen).to.include('PUT /latest/api/token');
    });

    it('are reread after someone renews them in a file, as session keys do not say when they expire', async () => {
      const home = mkdtempSync(join(tmpdir(), 'batchctl-home-'));
      closing.push(() => rmSync(home, { recursive: true, force: true }));
      const file = join(home, 'credentials');
      const write = (id: string, token: string): void =>
        writeFileSync(file, `[acme]\naws_access_key_id=${id}\naws_secret_access_key=s\n${token}`);
      const { now } = Date;
      closing.push(() => {
        Date.now = now;
      });
      withoutKeys({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: join(home, 'config') });
      const of = clientsWith({ profile: 'acme' });
      write('first', 'aws_session_token=t\n');
      expect(await of.credentials()).to.include({ accessKeyId: 'first' });
      write('second', 'aws_session_token=t\n');
      expect(await of.credentials(), 'not read at each request').to.include({ accessKeyId: 'first' });
      Date.now = () => now() + 6 * 60_000;
      expect(await of.credentials()).to.include({ accessKeyId: 'second' });
      rmSync(file);
      Date.now = () => now() + 14 * 60_000;
      expect(await of.credentials(), 'they still hold').to.include({ accessKeyId: 'second' });
    });

    it('say which command to run if there are none', async () => {
      withoutKeys({ AWS_EC2_METADATA_DISABLED: 'true', HOME: tmpdir() });
      const of = clientsWith({ endpoints: { s3: moto.url } });
      const error = await failsWith('credentials', (await store(of)).put('k', 'abc'));
      expect(error).to.have.property('hint').that.contains('aws sso login');
    });
  });

  describe('timeouts', () => {
    it('end a request that gets no answer, and one whose body stalls', async () => {
      const silent = await serve((request, answer) => {
        if (request.url === '/body') answer.writeHead(200, { 'content-length': '10' }).write('x');
      });
      closing.push(silent.close);
      const handler = new RoutedHandler({ connect: 1_000, answer: 150, idle: 300, sockets: 2 }, {});
      closing.push(() => handler.destroy());
      const ask = (path: string) => handler.handle(new HttpRequest(silent.port, path));
      expect(await rejection(ask('/never'))).to.have.property('name', 'TimeoutError');
      const { response } = await ask('/body');
      const reading = async (): Promise<void> => {
        for await (const _ of response.body);
      };
      expect(await rejection(reading())).to.have.property('name', 'TimeoutError');
    });
  });

  describe('once S3 asks to slow down', () => {
    /** Returns the clients that had to wait for a turn, and whether an aborted signal ended the wait. */
    class Noted extends RateLimits {
      readonly asked: string[] = [];

      override waitForTurn(request: Sendable, signal?: AbortSignal): Promise<void> {
        this.asked.push(`${request.method}${signal === undefined ? '' : ', can be aborted'}`);
        return super.waitForTurn(request, signal);
      }
    }

    it('stores and buckets of a process share one rate limit, and a probe has none', async () => {
      const proxy = closed(await FaultProxy.start(moto.url));
      const at = { region: REGION, profile: null, account: null, endpoints: { s3: proxy.url }, env: {} };
      const rates = new Noted();
      const of = closed(new AwsClients(at, rates));
      const buckets = closed(new S3Buckets({ clients: at, rates, own: null }));
      const own = await store(of);
      await own.put('a', 'x');
      expect(rates.asked, 'nothing is refused yet').to.deep.equal([]);
      proxy.fail(1, { kind: 'answer', status: 503, code: 'SlowDown' });
      await own.put('a', 'x');
      await own.read('a', { signal: new AbortController().signal });
      await (await buckets.open(bucket)).put('b', 'x');
      const { HeadBucketCommand } = await import('@aws-sdk/client-s3');
      await (await of.s3('probe')).send(new HeadBucketCommand({ Bucket: bucket }));
      expect(rates.asked, 'the second try too').to.deep.equal(['PUT', 'GET, can be aborted', 'PUT']);
    });
  });

  describe('retries', () => {
    it('double their waits with full jitter, honour Retry-After, and end after a fixed number of attempts', async () => {
      const retries = new QuotaFreeRetries(4, () => 1);
      const transient = { errorType: 'TRANSIENT', error: { name: 'Error', message: 'x' } } as const;
      let token = await retries.acquireInitialRetryToken();
      const delays: number[] = [];
      for (let i = 0; i < 3; i += 1) {
        token = await retries.refreshRetryTokenForRetry(token, transient);
        delays.push(token.getRetryDelay());
      }
      expect(delays).to.deep.equal([100, 200, 400]);
      expect(await rejection(retries.refreshRetryTokenForRetry(token, transient))).to.be.instanceOf(Error);
      const first = await retries.acquireInitialRetryToken();
      const asked = { ...transient, retryAfterHint: new Date(Date.now() + 10_000) };
      expect((await retries.refreshRetryTokenForRetry(first, asked)).getRetryDelay()).to.be.within(9_000, 10_000);
      const own = { errorType: 'CLIENT_ERROR', error: { name: 'Error', message: 'x' } } as const;
      expect(await rejection(retries.refreshRetryTokenForRetry(first, own))).to.be.instanceOf(Error);
    });
  });
});
