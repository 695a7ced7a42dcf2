// Protects: tasks are sent once, to their group, in the round that asks for them, and steps are opened by one process.
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import {
  canResend,
  completeOpened,
  decideOpening,
  putOpened,
  sendTasks,
  sendUndecided,
  undecidedSets,
} from '../../src/jobs/send.ts';
import type { JobStanding } from '../../src/model/decide.ts';
import { openedKey } from '../../src/model/keys.ts';
import { parseMessage } from '../../src/model/message.ts';
import { TaskBits } from '../../src/model/task-set.ts';
import type { JobView } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import type { OutgoingMessage } from '../../src/ports/task-queue.ts';
import { retryOf, viewOf } from '../model/job-of.ts';
import { addEntry, claimsJob } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { withMethods } from '../support/with-methods.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { openPlace } from './published-job.ts';
import { submitJob } from './submitted-job.ts';

const YAML = `name: claims
input: { split: { by: range, from: 1, to: 4 } }
steps: [{ name: one, run: [cat] }, { name: two, run: [cat], group: second }]
`;

describe('sending tasks', () => {
  const place = forEachTest(openPlace);
  let batches: { readonly group: string; readonly messages: readonly OutgoingMessage[] }[];
  beforeEach(() => {
    batches = [];
  });

  /** A platform whose queues keep what is sent. */
  const platform = (): Platform => ({
    ...place.platform,
    queue: async (group) =>
      withMethods(await place.platform.queue('default'), {
        send: async (messages) => void batches.push({ group, messages: [...messages] }),
      }),
  });
  const sent = () =>
    batches.flatMap(({ messages }) =>
      messages.map(({ body }) => {
        const parsed = parseMessage(body);
        return parsed.kind === 'task' ? parsed.message : expect.fail(`it is no task: ${body}`);
      }),
    );
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
  const standing = (one: readonly number[], two: readonly number[]): JobStanding => ({
    steps: [one, two].map((tasks, index) => {
      const undecided = new TaskBits(4);
      for (const task of tasks) undecided.add(task);
      return { name: index === 0 ? 'one' : 'two', total: 4, published: 0, failed: 0, skipped: 0, undecided };
    }),
    settled: false,
    next: { move: 'wait' },
  });

  it('goes to the group of the step, a thousand at a time, for the tenant of the job', async () => {
    const view = viewOf([], YAML);
    const { job } = view.record;
    const progress: number[] = [];
    const onProgress = (count: number): number => progress.push(count);
    expect(await sendTasks(platform(), view, 1, numbers(2_001), { first: true, onProgress })).to.equal(2_001);
    expect(batches.map(({ group, messages }) => [group, messages.length])).to.deep.equal([
      ['second', 1_000],
      ['second', 1_000],
      ['second', 1],
    ]);
    expect(progress).to.deep.equal([1_000, 2_000, 2_001]);
    expect(sent()[7]).to.deep.equal({ job, step: 'two', task: 7, round: 0 });
    expect(batches[0]?.messages[7]).to.deep.include({ tenant: job });
    expect(batches[0]?.messages[7]).to.not.have.property('delay');
    batches = [];
    await sendTasks(platform(), view, 1, numbers(1_000), { first: true });
    expect(batches).to.have.lengthOf(1);
  });

  it('names the last round that asks for the task, and says that it may have been sent before', async () => {
    const view = viewOf([retryOf(1, { one: '1' }), retryOf(2, { one: '2' })], YAML);
    await sendTasks(platform(), view, 0, numbers(3));
    expect(sent().map(({ task, round, again }) => [task, round, again])).to.deep.equal([
      [0, 0, true],
      [1, 1, true],
      [2, 2, true],
    ]);
  });

  it('hides those for a while whose results may come', async () => {
    const view = viewOf([], YAML);
    const later = { names: new Set([`${view.record.job}/two/1`, `other/two/2`]), seconds: 30 };
    await sendTasks(platform(), view, 1, numbers(3), { later });
    expect(batches[0]?.messages.map(({ delay }) => delay)).to.deep.equal([undefined, 30, undefined]);
  });

  it('is of the undecided ones, or those of them that were named', async () => {
    const view = viewOf([], YAML);
    expect(await sendUndecided(platform(), view, standing([0, 2], []))).to.equal(2);
    expect(sent().map(({ step, task }) => `${step}/${task}`)).to.deep.equal(['one/0', 'one/2']);
    batches = [];
    const among = { one: '1-2', two: '3' };
    expect(await sendUndecided(platform(), view, standing([0, 2], [1, 3]), among)).to.equal(2);
    expect(sent().map(({ step, task }) => `${step}/${task}`)).to.deep.equal(['one/2', 'two/3']);
    expect(undecidedSets(standing([0, 2], []))).to.deep.equal({ one: '0,2' });
    expect(undecidedSets(standing([0, 2], [1]), among)).to.deep.equal({ one: '2' });
  });

  const states: readonly { readonly what: string; readonly of: Partial<JobView>; readonly may: boolean }[] = [
    { what: 'an open job', of: {}, may: true },
    { what: 'a job that starts later', of: { notBefore: '2026-11-30T18:00:01Z' }, may: false },
    {
      what: 'a paused job',
      of: { paused: { now: false, reason: 'person', detail: null, who: 'ann', when: '2026-11-30T17:00:00Z' } },
      may: false,
    },
    { what: 'a cancelled job', of: { cancelled: true }, may: false },
    { what: 'a stopped job', of: { stopped: 'failures' }, may: false },
    {
      what: 'a closed job',
      of: { closed: { state: 'succeeded', reason: null, round: 0, when: '2026-11-30T17:00:00Z' } },
      may: false,
    },
  ];
  for (const { what, of, may } of states) {
    it(`may be repeated for missing tasks of ${what}: ${may ? 'yes' : 'no'}`, () => {
      expect(canResend({ ...viewOf([], YAML), ...of }, Date.parse('2026-11-30T18:00:00Z'))).to.equal(may);
    });
  }

  describe('of a step that opens', () => {
    let view: JobView;
    beforeEach(async () => {
      view = await submitJob(place, claimsJob(1), {});
    });
    const decide = (seen: JobView, leftOut: string) =>
      decideOpening(place.platform, seen, { move: 'open', step: 1, count: 3, leftOut });

    for (const leftOut of ['', '3']) {
      it(`is decided only by the process that knows the whole journal${leftOut === '' ? '' : ', if tasks are left out'}`, async () => {
        await addEntry(place.platform, view, { what: 'adjust', tolerate: '2' });
        expect((await decide(view, leftOut)).opened).to.equal(null);
        const now = await requireView(place.platform.store, view.record.job);
        const { opened } = await decide(now, leftOut);
        expect(opened).to.deep.include({ count: 3, leftOut });
        if (leftOut === '') return;
        // Another that knows the journal as it was finds the step open, and does not count.
        expect((await decide(now, leftOut)).opened).to.equal(null);
      });
    }

    it('is opened once, by the one whose record is stored, also if the answer was lost', async () => {
      const { store } = place.platform;
      const { job } = view.record;
      const opening = (id: string) => putOpened(store, job, 'total', { format: 1, id, count: 3, leftOut: '' });
      expect([await opening('a'), await opening('b'), await opening('a')]).to.deep.equal([true, false, true]);
    });

    it('completes the record of an opening whose author died, and writes none that is there', async () => {
      const { store } = place.platform;
      const { view: now } = await decide(view, '3');
      const puts: string[] = [];
      const counting = wrapStore(store, {
        put: (key, ...rest) => {
          puts.push(key);
          return store.put(key, ...rest);
        },
      });
      await completeOpened(counting, now);
      await completeOpened(counting, now);
      expect(puts).to.deep.equal([openedKey(view.record.job, 'total')]);
    });
  });
});
