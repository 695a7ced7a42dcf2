// Protects: the limits of the manager are the documented ones, and failed logins are counted per network.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { FailedTries, LIMITS, networkOf } from '../../../src/manager/http/limits.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('failed logins', () => {
  it('are counted for ten thousand addresses at most, the latest', () => {
    const clock = new FakeClock();
    const tries = new FailedTries(clock);
    for (let n = 0; n < LIMITS.tries.value; n += 1) tries.noteFailure('192.0.2.1');
    expect(tries.waitOf('192.0.2.1')).to.equal(1_000);
    for (let n = 0; n < LIMITS.addresses.value; n += 1) tries.noteFailure(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    expect(tries.waitOf('192.0.2.1')).to.equal(0);
  });

  it('are remembered longest for the addresses that go on: new ones displace those that have stopped', () => {
    const tries = new FailedTries(new FakeClock());
    const fail = (network: number, count: number): void => {
      for (let n = 0; n < count; n += 1) tries.noteFailure(`10.${network}.${n >> 8}.${n & 255}`);
    };
    for (let n = 0; n < LIMITS.tries.value; n += 1) tries.noteFailure('192.0.2.1');
    fail(1, LIMITS.addresses.value - 1);
    tries.noteFailure('192.0.2.1');
    fail(2, LIMITS.addresses.value - 1);
    expect(tries.waitOf('192.0.2.1')).to.equal(2_000);
  });

  it('are forgotten after ten minutes without one, not before', () => {
    const clock = new FakeClock();
    const tries = new FailedTries(clock);
    const count = (): number => {
      tries.noteFailure('192.0.2.1');
      return tries.waitOf('192.0.2.1');
    };
    for (let n = 0; n < 30; n += 1) count();
    expect(tries.waitOf('192.0.2.1')).to.equal(60_000);
    clock.pass(600);
    expect(count()).to.equal(60_000);
    clock.pass(600.001);
    expect([count(), count(), count(), count()]).to.deep.equal([0, 0, 0, 0]);
    expect(count()).to.equal(1_000);
  });

  it('are counted per network for IPv6, where one caller may own all its addresses', () => {
    expect(networkOf('2001:db8::1')).to.equal('2001:db8:0:0::/64');
    expect(networkOf('2001:db8:0:0:ffff:1:2:3')).to.equal('2001:db8:0:0::/64');
    expect(networkOf('2001:DB8:0000:0000:1::')).to.equal('2001:db8:0:0::/64');
    expect(networkOf('2001:db8:0:1::1')).to.equal('2001:db8:0:1::/64');
    expect(networkOf('::1')).to.equal('0:0:0:0::/64');
    expect(networkOf('fe80::1%eth0')).to.equal('fe80:0:0:0::/64');
    expect(networkOf('::ffff:192.0.2.1')).to.equal('192.0.2.1');
    expect(networkOf('192.0.2.1')).to.equal('192.0.2.1');
    for (const address of fc.sample(fc.ipV6(), 200)) expect(networkOf(address)).to.match(/^[0-9a-f:.]+(::\/64)?$/);
  });
});

describe('the limits in docs/security.md', () => {
  const doc = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8');
  const shown = (value: number, unit: string): string => {
    if (unit === 'ms') return `${value / 1_000} s`;
    if (unit === 'bytes')
      return value >= 2 ** 20 ? `${(value / 2 ** 20).toLocaleString('en')} MiB` : `${value / 1_024} KiB`;
    return value.toLocaleString('en');
  };

  for (const { what, value, unit, answer, why } of Object.values(LIMITS)) {
    it(`match those in the code: ${what}`, () => {
      expect(doc).to.include(`| ${what} | ${shown(value, unit)} | ${answer} | ${why} |`);
    });
  }
});
