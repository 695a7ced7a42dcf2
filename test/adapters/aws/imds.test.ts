// Protects: a worker on EC2 learns of its interruption or termination in time, even when the metadata service falters.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import { expect } from 'chai';
import { Imds, imdsEndpoint } from '../../../src/adapters/aws/imds.ts';
import { noticeOf } from '../../../src/adapters/aws/machine.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { type Listening, listen } from '../../support/servers/listen.ts';

/** A metadata service whose tokens a test can expire. */
class Service {
  readonly requests: string[] = [];
  readonly facts: Record<string, string> = { 'meta-data/instance-id': 'i-1' };
  token = 'first';
  /** The number of requests that get no answer from now on. */
  unanswered = 0;
  readonly url: string;
  readonly close: () => Promise<void>;

  private constructor(server: Server, { url, close }: Listening) {
    this.url = url;
    this.close = close;
    server.on('request', (request: IncomingMessage, answer) => {
      const { method = '', url = '', headers } = request;
      request.resume();
      this.requests.push(`${method} ${url}`);
      if (this.unanswered > 0) {
        this.unanswered -= 1;
        return request.socket.destroy();
      }
      if (url === '/latest/api/token') {
        const good = method === 'PUT' && headers['x-aws-ec2-metadata-token-ttl-seconds'] === '21600';
        return answer.writeHead(good ? 200 : 400).end(this.token);
      }
      if (headers['x-aws-ec2-metadata-token'] !== this.token) return answer.writeHead(401).end();
      const fact = this.facts[url.replace('/latest/', '')];
      return fact === undefined ? answer.writeHead(404).end('<html>') : answer.writeHead(200).end(fact);
    });
  }

  static async start(): Promise<Service> {
    const server = createServer();
    return new Service(server, await listen(server));
  }
}

describe('the instance metadata service', () => {
  const service = forEachTest(() => Service.start());
  const cleanup = forEachTest(() => new Cleanup());
  const imds = forEachTest(() => new Imds(service.url));

  it('is read with one token for many requests, at once or one after another', async () => {
    const answers = await Promise.all([imds.get('meta-data/instance-id'), imds.get('meta-data/instance-id')]);
    expect(answers).to.deep.equal(['i-1', 'i-1']);
    expect(await imds.get('meta-data/spot/instance-action')).to.equal(null);
    expect(service.requests.filter((line) => line.startsWith('PUT'))).to.have.length(1);
  });

  it('is requested to issue a new token when it rejects the old one', async () => {
    await imds.get('meta-data/instance-id');
    service.token = 'second';
    const answers = await Promise.all([imds.get('meta-data/instance-id'), imds.get('meta-data/instance-id')]);
    expect(answers).to.deep.equal(['i-1', 'i-1']);
    expect(service.requests.filter((line) => line.startsWith('PUT'))).to.have.length(2);
  });

  it('is requested again when it does not answer, even for the token, up to three times', async () => {
    service.unanswered = 2;
    expect(await imds.get('meta-data/instance-id')).to.equal('i-1');
    service.unanswered = Number.POSITIVE_INFINITY;
    const error = await rejection(imds.get('meta-data/instance-id'));
    expect(error).to.include({ kind: 'unavailable' });
    expect(error.message).to.include('meta-data/instance-id');
  });

  it('is never accessed through a proxy', async () => {
    cleanup.setEnv({ HTTP_PROXY: 'http://127.0.0.1:1', http_proxy: 'http://127.0.0.1:1' });
    expect(await imds.get('meta-data/instance-id')).to.equal('i-1');
  });

  it('is found at the same address as by the SDK', async () => {
    expect(imdsEndpoint({})).to.equal('http://169.254.169.254');
    expect(imdsEndpoint({ AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: 'IPv6' })).to.equal('http://[fd00:ec2::254]');
    const named = { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:99/' };
    expect(imdsEndpoint(named)).to.equal('http://127.0.0.1:99');
    expect(imdsEndpoint({ ...named, AWS_EC2_METADATA_DISABLED: 'true' })).to.equal(null);
    for (const bad of [
      { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'localhost' },
      { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: '6' },
    ]) {
      expect(await rejection(Promise.resolve().then(() => imdsEndpoint(bad)))).to.include({ kind: 'config' });
    }
  });
});

describe('notices that terminate or stop an instance', () => {
  const now = Date.parse('2026-11-26T08:00:00Z');
  const none = { action: null, target: null, rebalance: null };
  const at = Date.parse('2026-11-26T08:02:00Z');
  const action = (word: string) => JSON.stringify({ action: word, time: '2026-11-26T08:02:00Z' });
  const cases = [
    ['nothing', none, null],
    ['nothing in service', { ...none, target: 'InService' }, null],
    ['an interruption, and its time', { ...none, action: action('terminate') }, { kind: 'interruption', at }],
    ['a stop', { ...none, action: action('stop') }, { kind: 'interruption', at }],
    [
      'a hibernation, which begins at once',
      { ...none, action: action('hibernate') },
      { kind: 'interruption', at: now },
    ],
    ['an unreadable interruption', { ...none, action: 'soon' }, { kind: 'interruption', at: null }],
    ['its group, which terminates it', { ...none, target: 'Terminated' }, { kind: 'terminating', at: null }],
    ['its warm pool, which terminates it', { ...none, target: 'Warmed:Terminated' }, { kind: 'terminating', at: null }],
    ['a warm pool', { ...none, target: 'Warmed:Stopped' }, { kind: 'stopping', at: null }],
    ['a stand-by', { ...none, target: 'Standby' }, { kind: 'stopping', at: null }],
    ['an unknown state', { ...none, target: 'Resting' }, { kind: 'stopping', at: null }],
    ['a recommendation', { ...none, rebalance: '{}' }, { kind: 'rebalance', at: null }],
    [
      'a termination, which precedes a recommendation',
      { ...none, rebalance: '{}', target: 'Terminated' },
      { kind: 'terminating', at: null },
    ],
    [
      'an interruption by EC2, which precedes its group',
      { target: 'Terminated', rebalance: '{}', action: action('terminate') },
      { kind: 'interruption', at },
    ],
  ] as const;
  for (const [title, metadata, expected] of cases) {
    it(`are read from the metadata: ${title}`, () => expect(noticeOf(metadata, now)).to.deep.equal(expected));
  }
});
