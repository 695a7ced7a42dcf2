// Protects: a write whose answer was lost counts once, for its writer, and decisions use what happened since the look.
import { expect } from 'chai';
import { skip } from '../../src/jobs/change/skip.ts';
import { append, requireView } from '../../src/jobs/journal.ts';
import { readOpened } from '../../src/jobs/listing.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import type { SubmitResult } from '../../src/jobs/submit/options.ts';
import { prepare } from '../../src/jobs/submit/prepare.ts';
import { submit } from '../../src/jobs/submit/submit.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { journalKey, journalPrefix, openedKey } from '../../src/model/keys.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith, rejection } from '../support/rejection.ts';
import { entryKinds } from '../support/stored.ts';
import { submissionRequest } from '../support/submission-request.ts';
import { withMethods } from '../support/with-methods.ts';
import { afterPuts, wrapStore } from '../support/wrap-store.ts';
import { openPlace, type Place, publishSmall } from './published-job.ts';
import { submitJob } from './submitted-job.ts';

const YAML = `
name: claims
input: { split: { by: range, from: 1, to: 2 } }
steps:
  - { name: price, run: [cat] }
  - { name: total, gather: true, run: [cat] }
`;

async function submitKeyed({ directory, platform }: Place): Promise<SubmitResult> {
  const request = submissionRequest(parseJobFile(YAML, { file: 'job.yaml' }), directory, { runKey: 'june' });
  return submit(platform, await prepare(request, platform.store));
}

describe('a write whose answer was lost', () => {
  const place = forEachTest(openPlace);

  /** The platform on which writes of these keys succeed, but answer like a retry that finds the object of the first try. */
  function losingAnswers(isLost: (key: string) => boolean): Platform {
    const { platform } = place;
    const put: ObjectStore['put'] = async (key, body, options) => {
      const answer = await platform.store.put(key, body, options);
      return isLost(key) ? { ...answer, created: false } : answer;
    };
    return { ...platform, store: wrapStore(platform.store, { put }) };
  }

  /** The steps of all messages sent since the last call. */
  async function sentSteps(): Promise<readonly string[]> {
    const queue = await place.platform.queue('default');
    const received = await queue.receive({ max: 10, waitSeconds: 0 });
    return received.map(({ body }) => (JSON.parse(body) as { step: string }).step);
  }

  it('appends its journal entry exactly once', async () => {
    const view = await submitJob(place, YAML, {});
    const platform = losingAnswers((key) => key === journalKey(view.record.job, view.next));
    const { appended, view: after } = await append(platform, view, () => ({ what: 'pause', now: false, reason: 'x' }));
    expect([appended, after.paused?.reason]).to.deep.equal([true, 'x']);
    expect(await entryKinds(platform.store, view.record.job)).to.deep.equal(['sent', 'pause']);
  });

  it('opens a gather, and sends its task', async () => {
    const view = await submitJob(place, YAML, {});
    await sentSteps();
    for (const task of [0, 1]) await publishSmall({ platform: place.platform, view }, 'price', task, 'x\n');
    await look(
      losingAnswers((key) => key === openedKey(view.record.job, 'total')),
      view,
    );
    expect(await sentSteps()).to.deep.equal(['total']);
    // A process sends nothing for an opening by another one.
    await look(place.platform, view);
    expect(await sentSteps()).to.deep.equal([]);
  });

  it('claims a run key for the job that wrote it', async () => {
    const platform = losingAnswers((key) => key.includes('june'));
    const { created, view } = await submitKeyed({ ...place, platform });
    expect(created).to.equal(true);
    expect(await sentSteps()).to.deep.equal(['price', 'price']);
    const again = await submitKeyed(place);
    expect([again.created, again.view.record.job]).to.deep.equal([false, view.record.job]);
  });
});

describe('a submission', () => {
  const place = forEachTest(openPlace);

  it('writes parts, mark and job before its claim, sends afterwards, and records last that everything is sent', async () => {
    const { platform } = place;
    const writes: string[] = [];
    const queue: Platform['queue'] = async (group) => {
      const real = await platform.queue(group);
      return withMethods(real, {
        send: async (messages) => {
          await real.send(messages);
          writes.push(`${messages.length} messages`);
        },
      });
    };
    const store = afterPuts(platform.store, (key, body) => {
      const [first = '', , kind = ''] = key.split('/');
      writes.push(body.includes('"what":"sent"') ? 'sent' : first === 'jobs' ? kind : first);
    });
    await submitKeyed({ ...place, platform: { ...platform, queue, store } });
    expect(writes).to.deep.equal(['parts', 'open', 'job.json', 'runs', '2 messages', 'sent']);
  });

  it('without a run key is refused while an equal one was committed and not completely sent', async () => {
    const { platform } = place;
    const queue: Platform['queue'] = async (group) =>
      withMethods(await platform.queue(group), { send: () => Promise.reject(new Error('killed')) });
    await rejection(submitJob({ ...place, platform: { ...platform, queue } }, YAML, {}));
    const again = await failsWith('refused', submitJob(place, YAML, {}));
    expect(again.message).to.include('and is incomplete');
    expect((await submitJob(place, YAML.replace('to: 2', 'to: 3'), {})).record.parts, 'another one').to.equal(3);
  });

  it('removes its objects, job.json first, and returns the other job when another submission came first', async () => {
    const { platform } = place;
    const deleted: string[] = [];
    let winner: string | null = null;
    const store = wrapStore(platform.store, {
      put: async (key, body, options) => {
        if (key.startsWith('runs/') && winner === null) winner = (await submitKeyed(place)).view.record.job;
        return platform.store.put(key, body, options);
      },
      delete: async (keys) => {
        deleted.push(keys.map((key) => key.split('/').at(key.startsWith('jobs/') ? 2 : 0)).join(' and '));
        await platform.store.delete(keys);
      },
    });
    const { created, view } = await submitKeyed({ ...place, platform: { ...platform, store } });
    expect([created, view.record.job]).to.deep.equal([false, winner]);
    expect(deleted).to.deep.equal(['job.json', 'parts', 'open']);
    for await (const key of platform.store.keys('jobs/')) expect(key).to.include(winner);
  });
});

describe('a look', () => {
  const place = forEachTest(openPlace);

  it('opens no gather without a task whose skip was undone after the listing', async () => {
    const { platform } = place;
    const view = await submitJob(place, YAML, {});
    const { job } = view.record;
    await publishSmall({ platform, view }, 'price', 0, 'x\n');
    const undo = { tasks: [{ step: 0, name: 'price', task: 1 }], reason: 'bad', undo: true };
    await append(platform, view, () => ({ what: 'skip', tasks: { price: '1' }, failed: {}, reason: 'bad' }));
    const skipped = await requireView(platform.store, job);
    // It lists the journal again after the outputs: at that moment a person undoes the skip.
    let undone = false;
    const store = wrapStore(platform.store, {
      keys: async function* (prefix, options) {
        if (prefix === journalPrefix(job) && !undone) {
          undone = true;
          await skip(platform, skipped, undo);
        }
        yield* platform.store.keys(prefix, options);
      },
    });
    await look({ ...platform, store }, skipped);
    expect(undone).to.equal(true);
    expect(await readOpened(platform.store, job, 'total')).to.equal(null);
    expect(await entryKinds(platform.store, job)).to.deep.equal(['sent', 'skip', 'unskip']);
  });
});
