// Protects: a worker on EC2 learns of its interruption or termination in time, even when the metadata service falters.

import { expect } from 'chai';
import { Imds, imdsEndpoint } from '../../../src/adapters/aws/imds.ts';
import { noticeOf } from '../../../src/adapters/aws/machine.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { serve } from '../../support/servers/listen.ts';

/** A metadata service whose token a test can replace. */
async function startService() {
  const service = {
    requests: [] as string[],
    token: 'first',
    /** The number of requests that get no answer from now on. */
    unanswered: 0,
  };
  const { url, close } = await serve((request, answer) => {
    const { method = '', url: path = '', headers } = request;
    request.resume();
    service.requests.push(`${method} ${path}`);
    if (service.unanswered > 0) {
      service.unanswered -= 1;
      return request.socket.destroy();
    }
    if (path === '/latest/api/token') {
      const isValid = method === 'PUT' && headers['x-aws-ec2-metadata-token-ttl-seconds'] === '21600';
      return answer.writeHead(isValid ? 200 : 400).end(service.token);
    }
    if (headers['x-aws-ec2-metadata-token'] !== service.token) return answer.writeHead(401).end();
    if (path === '/latest/meta-data/instance-id') return answer.writeHead(200).end('i-1');
    return answer.writeHead(404).end('<html>');
  });
  return Object.assign(service, { url, close });
}

describe('the instance metadata service', () => {
  const service = forEachTest(startService);
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
    const error = await failsWith('unavailable', imds.get('meta-data/instance-id'));
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
    for (const env of [
      { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'localhost' },
      { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: '6' },
    ])
      await failsWith(
        'config',
        Promise.resolve().then(() => imdsEndpoint(env)),
      );
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
