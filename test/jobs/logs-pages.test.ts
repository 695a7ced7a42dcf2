// Protects: logs that are read page by page miss no attempt, also where several were written at one time, or grow.
import { expect } from 'chai';
import { type LogPlace, listLogs } from '../../src/jobs/logs.ts';
import { logKey } from '../../src/model/keys.ts';
import { forSuite } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { openPlace } from './published-job.ts';
import { ONE_STEP, submitJob } from './submitted-job.ts';

describe('the logs of a job, after one of them', () => {
  const place = forSuite(async () => {
    const { end: close, ...opened } = await openPlace();
    return { ...opened, close, end: close };
  });

  it('are those of later tasks, and of its task those written later or at the same time', async () => {
    const view = await submitJob(place, ONE_STEP.replace('] }]', '] }, { name: next, run: [cat] }]'), {
      'a.txt': 'a\nb\n',
    });
    const { job } = view.record;
    const times: Record<string, number> = { aa: 5, bb: 5, cc: 5, dd: 4, ee: 9, ff: 1 };
    const { store } = place.platform;
    for (const attempt of ['aa', 'bb', 'cc', 'dd']) await store.put(logKey(job, 'price', 0, attempt), attempt);
    await store.put(logKey(job, 'price', 1, 'ee'), 'ee');
    await store.put(logKey(job, 'next', 0, 'ff'), 'ff');
    const timed = wrapStore(store, {
      async *list(prefix, options) {
        for await (const entry of store.list(prefix, options))
          yield { ...entry, modified: times[entry.key.slice(-2)] ?? 0 };
      },
    });
    const platform = { ...place.platform, store: timed };
    const from = async (after: LogPlace | undefined): Promise<string> => {
      const found: string[] = [];
      for await (const log of listLogs(platform, view, { task: undefined, failed: false, after }))
        found.push(log.attempt);
      return found.join(' ');
    };
    const at = (attempt: string, modified: number, task = 0): LogPlace => ({
      task: { step: 0, name: 'price', task },
      modified,
      attempt,
    });
    expect(await from(undefined)).to.equal('dd aa bb cc ee ff');
    expect(await from(at('dd', 4))).to.equal('aa bb cc ee ff');
    expect(await from(at('aa', 5))).to.equal('bb cc ee ff');
    expect(await from(at('cc', 5))).to.equal('ee ff');
    expect(await from(at('ee', 9, 1))).to.equal('ff');
    const last = { task: { step: 1, name: 'next', task: 0 }, modified: 1, attempt: 'ff' };
    expect(await from(last)).to.equal('');
    times.dd = 6;
    expect(await from(at('bb', 5)), 'the first has grown').to.equal('cc dd ee ff');
  });
});
