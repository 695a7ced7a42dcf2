// Protects: infra up, status and down work on an AWS that lags behind, throttles, or has a different clock.
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { clockAhead, HostileAws, ownedBy, throttlesReads } from '../support/servers/hostile-aws.ts';
import { StackWorkspace } from './stack-workspace.ts';
import { unseenAtFirst } from './unseen-at-first.ts';

const MANAGED = { groups: { default: {} }, manager: { allow: ['203.0.113.0/24'] } };

describe('a stack on a hostile AWS', () => {
  const cloud = forSuite(() => startCloud({ pace: { second: 20 } }));
  const hostile = forSuite(() => HostileAws.start(() => cloud.url));
  const workspace = forSuite(() => new StackWorkspace({ ...cloud, url: hostile.url }));
  beforeEach(() => {
    hostile.enforce();
    workspace.configure(MANAGED);
  });

  /** Counts the changes made, by kind. */
  const done = (verb: RegExp): readonly string[] =>
    hostile.calls
      .filter(({ status, action }) => status < 300 && verb.test(action))
      .map(({ service, action, body }) => `${service}:${action} ${/Name"?[=:]"?([^&"]*)/.exec(body)?.[1] ?? ''}`);

  for (const { name, rule, least } of [
    { name: 'that shows new resources late', rule: () => unseenAtFirst(2), least: 20 },
    { name: 'that throttles every read request', rule: () => throttlesReads(1), least: 15 },
    { name: 'whose clock is ten minutes ahead', rule: () => clockAhead(10), least: 4 },
  ]) {
    it(`is created once, and removed, on one ${name}`, async () => {
      hostile.enforce(rule());
      await workspace.up();
      expect(hostile.met.length).to.be.at.least(least);
      const made = done(/^(Create(?!OrUpdate|Tags)|Allocate)/);
      expect(new Set(made).size, made.join('\n')).to.equal(made.length);
      // By now, what was created is visible.
      hostile.enforce(rule());
      const status = await workspace.here('infra', 'status');
      expect(status.lines.filter(({ state }) => state !== 'present')).to.deep.equal([]);
      await workspace.down();
      expect((await workspace.answer(['infra', 'status'], 11)).filter(({ state }) => state !== 'absent')).to.deep.equal(
        [],
      );
    });
  }

  it('says that another account may have the name of the bucket', async () => {
    hostile.enforce(ownedBy('999988887777', workspace.stack));
    const { code, stderr } = await workspace.run(['infra', 'up', '--yes']);
    expect(code).to.equal(3);
    expect(stderr).to.include('or the bucket belongs to another account than 123456789012');
    expect(stderr).to.include('choose another `bucket.name`');
    expect(done(/^Create/)).to.deep.equal([]);
  });
});
