// Protects: infra up, status and down work on an AWS that lags behind, throttles, or has a different clock.
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { clockAhead, HostileAws, ownedBy, throttlesReads } from '../support/servers/hostile-aws.ts';
import { MANAGER } from './grid-lab.ts';
import { StackWorkspace } from './stack-workspace.ts';
import { unseenAtFirst } from './unseen-at-first.ts';

describe('a stack on a hostile AWS', () => {
  const cloud = forSuite(() => startCloud({ pace: { second: 20 } }));
  const hostile = forSuite(() => HostileAws.start(() => cloud.url));
  const workspace = forSuite(() => new StackWorkspace({ ...cloud, url: hostile.url }));
  beforeEach(() => {
    hostile.enforce();
    workspace.configure({ groups: { default: {} }, manager: MANAGER });
  });

  /** The requests that succeeded, of actions that match: the action and the name of the resource. */
  const succeeded = (verb: RegExp): readonly string[] =>
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
      const created = succeeded(/^(Create(?!OrUpdate|Tags)|Allocate)/);
      expect(new Set(created).size, created.join('\n')).to.equal(created.length);
      // A rule counts from its beginning, but everything is visible by now.
      hostile.enforce(rule());
      const { lines } = await workspace.output('infra', 'status');
      expect(lines.filter(({ state }) => state !== 'present')).to.deep.equal([]);
      await workspace.down();
      const states = (await workspace.answer(['infra', 'status'], 11)).map(({ state }) => state);
      expect(new Set(states)).to.deep.equal(new Set(['absent']));
    });
  }

  it('says that another account may have the name of the bucket', async () => {
    hostile.enforce(ownedBy('999988887777', workspace.stack));
    const { code, stderr } = await workspace.run(['infra', 'up', '--yes']);
    expect(code).to.equal(3);
    expect(stderr).to.include('or the bucket belongs to another account than 123456789012');
    expect(stderr).to.include('choose another `bucket.name`');
    expect(succeeded(/^Create/)).to.deep.equal([]);
  });
});
