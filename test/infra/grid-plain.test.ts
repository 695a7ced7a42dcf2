// Protects: infra plan compares CIDR blocks, group sizes and firewall rules correctly, and reports no false drift.
import { expect } from 'chai';
import { chooseBounds } from '../../src/infra/scaling-request.ts';
import { rulesOf, tcpRule } from '../../src/infra/security-group.ts';
import { canonicalCidr } from '../../src/lib/cidr.ts';

describe('a CIDR block in the form that EC2 stores', () => {
  for (const [written, canonical] of [
    ['203.0.113.0/24', '203.0.113.0/24'],
    ['203.0.113.77/24', '203.0.113.0/24'],
    ['203.0.113.77/32', '203.0.113.77/32'],
    ['203.0.113.77/27', '203.0.113.64/27'],
    ['100.127.255.255/10', '100.64.0.0/10'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['2001:DB8:0:0::1/32', '2001:db8::/32'],
    ['2001:db8:1:ffff::/49', '2001:db8:1:8000::/49'],
    ['::/0', '::/0'],
    ['::1/128', '::1/128'],
    ['1:2:3:4:5:6:7:8/128', '1:2:3:4:5:6:7:8/128'],
  ] as const) {
    it(`${written} is ${canonical}`, () => expect(canonicalCidr(written)).to.equal(canonical));
  }
});

describe('the bounds of a group', () => {
  const found = { min: 0, max: 20, desired: 5 };
  for (const [title, wanted, current, lastSet, bounds, hasNote] of [
    ['are kept as configured', { min: 0, max: 20 }, found, '0 20', { min: 0, max: 20 }, false],
    ['are kept as a person set them', { min: 0, max: 9 }, found, '0 9', { min: 0, max: 20 }, true],
    ['are set where the configuration changed', { min: 1, max: 9 }, found, '0 20', { min: 1, max: 9 }, false],
    ['are set if nothing says who set them', { min: 1, max: 9 }, found, undefined, { min: 1, max: 9 }, false],
    ['are never below the desired size', { min: 0, max: 4 }, found, '0 20', { min: 0, max: 5 }, true],
    ['only decrease with that size', { min: 0, max: 4 }, { ...found, max: 5 }, '0 5', { min: 0, max: 5 }, true],
  ] as const) {
    it(title, () => {
      const chosen = chooseBounds(wanted, current, lastSet);
      expect(chosen.bounds).to.deep.equal(bounds);
      expect(chosen.note !== null).to.equal(hasNote);
    });
  }
});

describe('the rules of a security group', () => {
  it('are split one by one, each in a form that revokes only itself', () => {
    const ports = { IpProtocol: 'tcp', FromPort: 80, ToPort: 90 };
    const pair = { GroupId: 'sg-1', UserId: '1' };
    const rules = rulesOf([
      {
        ...ports,
        IpRanges: [{ CidrIp: '10.0.0.0/8', Description: 'theirs' }, { CidrIp: '10.1.0.0/16' }],
        Ipv6Ranges: [{ CidrIpv6: '::/0' }],
        PrefixListIds: [{ PrefixListId: 'pl-1' }],
        UserIdGroupPairs: [pair],
      },
      { IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: 'sg-2' }] },
      { IpProtocol: 'icmp', FromPort: -1, ToPort: -1, IpRanges: [{ CidrIp: '0.0.0.0/0' }] },
    ]);
    expect(rules.map(({ text }) => text)).to.deep.equal([
      'tcp 80-90 10.0.0.0/8',
      'tcp 80-90 10.1.0.0/16',
      'tcp 80-90 ::/0',
      'tcp 80-90 pl-1',
      'tcp 80-90 sg-1',
      'all sg-2',
      'icmp 0.0.0.0/0',
    ]);
    expect(rules[0]?.permission).to.deep.equal({ ...ports, IpRanges: [{ CidrIp: '10.0.0.0/8' }] });
    expect(rules[4]?.permission).to.deep.equal({ ...ports, UserIdGroupPairs: [pair] });
  });

  it('have the same text whether batchctl creates them or EC2 lists them', () => {
    for (const cidr of ['203.0.113.0/24', '2001:db8::/32']) {
      const rule = tcpRule(443, cidr, 'ours');
      expect(rulesOf([rule.permission]).map(({ text }) => text)).to.deep.equal([rule.text]);
    }
  });
});
