// Protects: groups are found, their waiting messages counted, and only the named job's messages deleted.
import { expect } from 'chai';
import { countVisible, hasWaitingMessages, knownGroups, purgeQueue } from '../../../src/jobs/grid/queues.ts';
import { groupKey } from '../../../src/model/keys.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe("a profile's groups and queues", () => {
  const place = forEachTest(openPlace);
  const submit = (name: string, tasks: number, group: string) =>
    submitJob(place, JSON.stringify(rangeJob(name, tasks, { name: 'one', run: ['cat'], group })), {});
  const queue = (group: string) => place.platform.queue(group);
  const visible = async (group: string) => (await (await queue(group)).readCounts()).visible;

  it('are those that it names, or else those with a size, those of open jobs, and `default`, sorted', async () => {
    const { groups: _, ...platform }: Platform = place.platform;
    expect(await knownGroups(platform)).to.deep.equal(['default']);
    await platform.store.put(groupKey('zoo'), '{"format":1}');
    await submit('one', 1, 'gpu');
    await submit('two', 1, 'abc');
    expect(await knownGroups(platform)).to.deep.equal(['abc', 'default', 'gpu', 'zoo']);
    expect(await knownGroups({ ...platform, groups: ['only'] })).to.deep.equal(['only']);
  });

  it('have messages that wait, delayed ones too, but not leased ones, nor in groups that the profile lost', async () => {
    const waits = (platform: Platform = place.platform) => hasWaitingMessages(platform, ['default', 'gpu']);
    expect(await waits()).to.equal(false);
    await (await queue('gpu')).send([{ body: 'x', tenant: 'x', delay: 60 }]);
    expect(await waits()).to.equal(true);
    const fail = (name: string) => expect.fail(`it looks at the queue of ${name}`);
    const own = (name: string) => (name === 'gpu' ? fail(name) : queue(name));
    expect(await waits({ ...place.platform, groups: ['default'], queue: own })).to.equal(false);
    await (await queue('gpu')).purge({});
    await (await queue('default')).send([{ body: 'x', tenant: 'x' }]);
    expect(await waits()).to.equal(true);
    await (await queue('default')).receive({ max: 1, waitSeconds: 0 });
    expect(await waits()).to.equal(false);
  });

  it("lose the messages of one job, or all of one group's", async () => {
    const { job } = (await submit('one', 3, 'gpu')).record;
    await submit('two', 2, 'gpu');
    await submit('three', 4, 'default');
    expect(await countVisible(place.platform, ['gpu', 'default'])).to.equal(9);
    expect(await purgeQueue(place.platform, 'gpu', job)).to.equal(3);
    expect(await visible('gpu')).to.equal(2);
    expect(await purgeQueue(place.platform, 'gpu', null)).to.equal(2);
    expect([await visible('gpu'), await visible('default')]).to.deep.equal([0, 4]);
  });
});
