// Protects: requests use the proxy that the environment names, and requests for cloud credentials never use one.
import { expect } from 'chai';
import { proxyFor } from '../../src/lib/proxy.ts';

const PROXY = 'http://proxy.example.com:3128';
const proxyOf = (url: string, env: Record<string, string>): string | null => {
  const { protocol, hostname, port } = new URL(url);
  return proxyFor({ protocol, hostname, ...(port !== '' && { port: Number(port) }) }, env);
};

describe('the proxy of a request', () => {
  it('is HTTPS_PROXY for https and HTTP_PROXY for http, in either case', () => {
    expect(proxyOf('https://sqs.eu-west-1.amazonaws.com', { HTTPS_PROXY: PROXY })).to.equal(PROXY);
    expect(proxyOf('http://sqs.eu-west-1.amazonaws.com', { HTTPS_PROXY: PROXY })).to.equal(null);
    expect(proxyOf('http://example.com', { HTTP_PROXY: 'proxy:80' })).to.equal('http://proxy:80');
    expect(proxyOf('https://example.com', { https_proxy: PROXY, HTTPS_PROXY: 'http://other' })).to.equal(PROXY);
    expect(proxyOf('https://example.com', { HTTPS_PROXY: '' })).to.equal(null);
  });

  it('is not used for hosts in NO_PROXY: a host, a domain, a port, all', () => {
    for (const [NO_PROXY, url, expected] of [
      ['*', 'https://a.b', null],
      ['x, amazonaws.com', 'https://s3.amazonaws.com', null],
      ['.amazonaws.com', 'https://s3.amazonaws.com', null],
      ['*.amazonaws.com', 'https://s3.amazonaws.com', null],
      ['amazonaws.com', 'https://notamazonaws.com', PROXY],
      ['a.b:8443', 'https://a.b', PROXY],
      ['a.b:8443', 'https://a.b:8443', null],
      ['10.0.0.7', 'https://10.0.0.7', null],
      ['', 'https://a.b', PROXY],
    ] as const) {
      expect(proxyOf(url, { HTTPS_PROXY: PROXY, NO_PROXY }), `${NO_PROXY} ${url}`).to.equal(expected);
    }
  });

  it('is never used for credentials of instances and containers, nor for this machine', () => {
    const env = { HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY };
    for (const host of ['169.254.169.254', '[fd00:ec2::254]', '169.254.170.2', '127.0.0.1', 'localhost', '[::1]']) {
      expect(proxyOf(`http://${host}/latest`, env), host).to.equal(null);
      expect(proxyOf(`https://${host}:8443/latest`, env), host).to.equal(null);
    }
  });
});
