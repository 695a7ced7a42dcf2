// Protects: a notification is never posted to a cloud metadata address, however the URL spells it.

import { expect } from 'chai';
import { addressKindOf } from '../../../src/adapters/notify/post.ts';

describe('the kind of an address', () => {
  for (const [place, addresses] of [
    ['metadata', ['169.254.169.254', '169.254.170.2', '169.254.0.1', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe']],
    [
      'metadata',
      ['fd00:ec2::254', '[fd00:ec2::254]', 'FD00:EC2::23', 'fd00:0ec2:0:0:0:0:0:254', 'fe80::1', 'fe80::1%eth0'],
    ],
    ['loopback', ['127.0.0.1', '127.9.9.9', '0.0.0.0', '::1', '[::1]', '::', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1']],
    [
      'elsewhere',
      ['10.0.0.1', '192.168.1.1', '169.253.1.1', '2001:db8::1', 'fd00:1::254', '::ffff:10.0.0.1', 'example.com'],
    ],
  ] as readonly (readonly [string, readonly string[]])[]) {
    it(`${place}: ${addresses.join(', ')}`, () => {
      for (const address of addresses) expect(addressKindOf(address), address).to.equal(place);
    });
  }

  it('recognises metadata addresses in the other notations that URLs allow', () => {
    for (const url of [
      'http://2852039166/',
      'http://0xa9fea9fe/',
      'http://0251.0376.0251.0376/',
      'http://[::ffff:a9fe:a9fe]/',
    ])
      expect(addressKindOf(new URL(url).hostname), url).to.equal('metadata');
  });
});
