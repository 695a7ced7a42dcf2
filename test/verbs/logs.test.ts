// Protects: the text of a followed log has the characters that were written, wherever uploads of the log ended.
import { expect } from 'chai';
import { logKey } from '../../src/model/keys.ts';
import type { VerbContext } from '../../src/verbs/context.ts';
import { logs } from '../../src/verbs/logs.ts';
import { openPlace, putJob } from '../jobs/published-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';

describe('a followed log', () => {
  const place = forEachTest(openPlace);

  for (const task of ['price/1', undefined]) {
    it(`of ${task ?? 'a job'} has whole characters in the pieces of each attempt`, async () => {
      const { platform } = place;
      const stop = new AbortController();
      const view = await putJob(platform, [{ name: 'a.csv' }], { parts: 3 });
      const { job } = view.record;
      const text = Buffer.from('café 価\n');
      /** Where uploads end: in the middle of é, in the middle of 価, and at the end. */
      const ends = [4, 7, text.length];
      const read: Record<string, string> = { aaaa: '', bbbb: '' };
      const upload = async (): Promise<void> => {
        const end = ends.shift();
        if (end === undefined) return stop.abort();
        for (const attempt of Object.keys(read)) {
          await platform.store.put(logKey(job, 'price', 1, attempt), text.subarray(0, end));
        }
      };
      let looks = 0;
      const store = wrapStore(platform.store, {
        list(prefix) {
          looks += 1;
          // Logs that exist at the first look are not followed.
          if (looks === 2) void upload();
          return platform.store.list(prefix);
        },
      });
      const context: Partial<VerbContext> = {
        platform: async () => ({ ...platform, store, leaseSeconds: 0.06 }),
        signal: stop.signal,
        notice: () => {},
        warn: () => {},
      };
      const rows = await logs.run(context as VerbContext, { job, task, failed: false, follow: true });
      let pieces = 0;
      try {
        for await (const row of rows) {
          read[row.attempt] += row.text;
          pieces += 1;
          if (pieces % 2 === 0) await upload();
        }
      } catch (error) {
        expect(error).to.have.property('kind', 'interrupted');
      }
      expect(pieces).to.equal(6);
      expect(read).to.deep.equal({ aaaa: String(text), bbbb: String(text) });
    });
  }
});
