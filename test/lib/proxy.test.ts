// Protects: requests use the proxy that the environment names, and requests for cloud credentials never use one.

import { expect } from 'chai';
import { proxyFor } from '../../src/lib/proxy.ts';

const P = 'http://proxy.example.com:3128';
const to = (url: string, env: Record<string, string>): string | null => {
  const { protocol, hostname, port } = new URL(url);
  return proxyFor({ protocol, hostname, ...(port !== '' && { port: Number(port) }) }, env);
};

describe('the proxy of a request', () => {
  it('is HTTPS_PROXY for https and HTTP_PROXY for http, in either case', () => {
    expect(to('https://sqs.eu-west-1.amazonaws.com', { HTTPS_PROXY: P })).to.equal(P);
    expect(to('http://sqs.eu-west-1.amazonaws.com', { HTTPS_PROXY: P })).to.equal(null);
    expect(to('http://example.com', { HTTP_PROXY: 'proxy:80' })).to.equal('http://proxy:80');
    expect(to('https://example.com', { https_proxy: P, HTTPS_PROXY: 'http://other' })).to.equal(P);
    expect(to('https://example.com', { HTTPS_PROXY: '' })).to.equal(null);
  });

  it('is not used for hosts in NO_PROXY: a host, a domain, a port, all', () => {
    const leavesOut = (NO_PROXY: string, url: string): boolean => to(url, { HTTPS_PROXY: P, NO_PROXY }) === null;
    expect(leavesOut('*', 'https://a.b')).to.equal(true);
    expect(leavesOut('x, amazonaws.com', 'https://s3.amazonaws.com')).to.equal(true);
    expect(leavesOut('.amazonaws.com', 'https://s3.amazonaws.com')).to.equal(true);
    expect(leavesOut('*.amazonaws.com', 'https://s3.amazonaws.com')).to.equal(true);
    expect(leavesOut('amazonaws.com', 'https://notamazonaws.com')).to.equal(false);
    expect(leavesOut('a.b:8443', 'https://a.b')).to.equal(false);
    expect(leavesOut('a.b:8443', 'https://a.b:8443')).to.equal(true);
    expect(leavesOut('10.0.0.7', 'https://10.0.0.7')).to.equal(true);
    expect(leavesOut('', 'https://a.b')).to.equal(false);
  });

  it('is never used for credentials of instances and containers, nor for this machine', () => {
    const env = { HTTP_PROXY: P, HTTPS_PROXY: P };
    for (const host of ['169.254.169.254', '[fd00:ec2::254]', '169.254.170.2', '127.0.0.1', 'localhost', '[::1]']) {
      expect(to(`http://${host}/latest`, env), host).to.equal(null);
      expect(to(`https://${host}:8443/latest`, env), host).to.equal(null);
    }
  });
});
