// Protects: a gap in a journal is corruption: nothing is decided after it, and every display of the job shows it.
import { renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { append, findGap, readView, readViewToShow, refreshView, requireView } from '../../src/jobs/journal.ts';
import { ledgerJob } from '../../src/jobs/record-view.ts';
import { statusOf } from '../../src/jobs/status.ts';
import { JobWatcher } from '../../src/jobs/watch/job-watcher.ts';
import type { HistoryLine } from '../../src/model/answers/jobs.ts';
import { emptyView } from '../../src/model/fold.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { journalKey, journalPrefix, outKey } from '../../src/model/keys.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { historyLines } from '../../src/verbs/history.ts';
import { forEachTest } from '../support/fixture.ts';
import { recordRequests } from '../support/record-requests.ts';
import { failsWith } from '../support/rejection.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { openPlace, putJob } from './published-job.ts';
import { runHere, runJson } from './run-here.ts';
import { ONE_STEP, publishAll, submitJob, work } from './submitted-job.ts';

describe('a gap in a journal', () => {
  const place = forEachTest(openPlace);

  async function decide(platform: Platform, view: JobView, ...kinds: readonly EntryKind[]): Promise<JobView> {
    let now = view;
    for (const kind of kinds) now = (await append({ ...platform, who: 'ann@desk' }, now, () => kind)).view;
    return now;
  }

  /** A job whose entries are sent, pause, resume, pause and adjust, without the entries `gone`. */
  async function jobWithGap(...gone: readonly number[]): Promise<JobView> {
    const { platform } = place;
    const view = await submitJob(place, ONE_STEP, { 'a.txt': 'a\nb\n' });
    const pause = { what: 'pause', now: false, reason: 'person' } as const;
    await decide(platform, view, pause, { what: 'resume' }, pause, { what: 'adjust', maxRunning: 1 });
    await platform.store.delete(gone.map((n) => journalKey(view.record.job, n)));
    return view;
  }
  const run = (...argv: readonly string[]) => runHere(place.directory, argv);

  for (const gone of [[2], [0], [1, 2, 3]]) {
    it(`is found by every reader and writer if entries ${gone} of five are gone`, async () => {
      const { record } = await jobWithGap(...gone);
      const { store } = place.platform;
      const missing = gone[0] ?? 0;
      const error = await failsWith('corrupt', readView(store, record.job));
      expect(error.message).to.include(`entry ${missing} of the journal of job ${record.job} is missing`);
      expect(error.message).to.include('but there are entries up to 4');
      expect(error.hint).to.include(`restore ${journalKey(record.job, missing)} from a backup`);
      const shown = await readViewToShow(store, record.job);
      expect([shown?.next, shown?.hole]).to.deep.equal([missing, { missing, last: 4 }]);
      if (shown === null) throw new Error('no view');
      await failsWith('corrupt', refreshView(store, shown));
      await failsWith(
        'corrupt',
        append(place.platform, shown, () => ({ what: 'cancel' })),
      );
      expect(await store.head(journalKey(record.job, missing)), 'filled by another decision').to.equal(null);
    });
  }

  it('is found by a writer that had read the journal up to it', async () => {
    const { store } = place.platform;
    const view = await submitJob(place, ONE_STEP, { 'a.txt': 'a\n' });
    await decide(place.platform, view, { what: 'cancel' }, { what: 'adjust', maxRunning: 1 });
    await store.delete([journalKey(view.record.job, 1)]);
    await failsWith(
      'corrupt',
      append(place.platform, view, () => ({ what: 'resume' })),
    );
  });

  it('is no longer reported once the entry is restored', async () => {
    const view = await jobWithGap();
    const { store } = place.platform;
    const key = journalKey(view.record.job, 3);
    const bytes = (await store.read(key)) ?? new Uint8Array();
    await store.delete([key]);
    const shown = await readViewToShow(store, view.record.job);
    expect(shown?.hole).to.deep.equal({ missing: 3, last: 4 });
    await store.put(key, bytes);
    const now = await refreshView(store, shown ?? view);
    expect([now.next, now.hole, stateOf(now)]).to.deep.equal([5, null, 'paused']);
  });

  it('is not reported for entries appended during the listing, nor for a foreign object', async () => {
    const view = await jobWithGap();
    const { store } = place.platform;
    const { job } = view.record;
    await store.put(`${journalKey(job, 7)}.bak`, 'a copy');
    let listings = 0;
    // The first listing passed the position of 3 before it was put, and shows the entry after it.
    const racing = wrapStore(store, {
      keys: async function* (prefix, options) {
        listings += 1;
        const first = listings === 1;
        for await (const key of store.keys(prefix, options)) if (!first || key !== journalKey(job, 3)) yield key;
      },
    });
    const now = await requireView(racing, job);
    expect([now.next, listings]).to.deep.equal([5, 2]);
    listings = 0;
    expect([await findGap(racing, job), listings]).to.deep.equal([null, 2]);
  });

  it('costs no request: a listing replaces the last read, and a heartbeat lists nothing', async () => {
    const { store } = place.platform;
    const view = await putJob(place.platform, [{ name: 'a' }]);
    await decide(place.platform, view, { what: 'sent' }, { what: 'resume' });
    const { job } = view.record;
    const list = `keys ${journalPrefix(job)}`;
    const { store: recorded, requests } = recordRequests(store);
    const seen = await refreshView(recorded, emptyView(view.record));
    expect(requests.splice(0)).to.deep.equal([list, `read ${journalKey(job, 0)}`, `read ${journalKey(job, 1)}`]);
    await refreshView(recorded, seen);
    expect(requests.splice(0)).to.deep.equal([`read ${journalKey(job, 2)}`]);
    await append({ ...place.platform, store: recorded }, seen, () => ({ what: 'cancel' }));
    expect(requests).to.deep.equal([list, `put ${journalKey(job, 2)}`]);
  });

  it('ends every deciding command with exit code 9 and a hint, and nothing is written', async () => {
    const { job } = (await jobWithGap(2)).record;
    const commands = [
      'pause',
      'resume',
      'cancel',
      'retry',
      'adjust --max-running 2',
      'skip --task price/0 --reason x',
      'verify',
      'verify --repair',
      'wait',
      'watch',
    ];
    for (const command of commands) {
      const [verb = '', ...flags] = command.split(' ');
      const { code, stderr } = await run('--yes', verb, job, ...flags);
      expect(code, command).to.equal(9);
      expect(stderr).to.include(`entry 2 of the journal of job ${job} is missing`).and.include('hint: restore jobs/');
    }
    const { store } = place.platform;
    expect(await store.head(journalKey(job, 2))).to.equal(null);
    expect(await store.head(journalKey(job, 5))).to.equal(null);
  });

  it('is a warning where the job is only displayed, and a field of the status', async () => {
    const { job } = (await jobWithGap(2)).record;
    for (const verb of ['status', 'tasks', 'failures', 'history', 'report', 'logs']) {
      const { code, stderr } = await run(verb, job, '--json', '--quiet');
      expect(code, verb).to.equal(0);
      expect(stderr, verb)
        .to.include(`warning: entry 2 of the journal of job ${job} is missing`)
        .and.include('warning: restore jobs/');
    }
    const [status] = await runJson(place.directory, ['status', job]);
    expect(status).to.deep.include({ journalHole: { missing: 2, last: 4 }, state: 'paused' });
    const intact = await submitJob(place, ONE_STEP, { 'a.txt': 'a\nb\n' });
    expect(await statusOf(place.platform, intact)).to.include({ journalHole: null });
  });

  it('marks the job in the list of jobs, whether open or among the newest hundred closed ones', async () => {
    const { store, ledger } = place.platform;
    const { record } = await jobWithGap(2);
    const closed = await publishAll(place.platform, await submitJob(place, ONE_STEP, { 'a.txt': 'a\nb\n' }));
    await store.delete([journalKey(closed.record.job, 0)]);
    const intact = await submitJob(place, ONE_STEP.replace('claims', 'other'), { 'a.txt': 'a\n' });
    const three = [record, closed.record, intact.record].map(({ job }) => job);
    const listed = async () => {
      const { code, stdout, stderr } = await run('jobs', '--json');
      expect(code).to.equal(0);
      const rows = stdout.trim().split('\n');
      const holes = new Map(rows.map((row) => JSON.parse(row)).map(({ job, journalHole }) => [job, journalHole]));
      return { stderr, holes: three.map((job) => holes.get(job)) };
    };
    const { stderr, holes } = await listed();
    expect(holes).to.deep.equal([{ missing: 2, last: 4 }, { missing: 0, last: 1 }, null]);
    expect(stderr)
      .to.include('warning: the journals of 2 jobs have a gap: an entry is missing;')
      .and.include('batchctl history ');
    const { stdout: table } = await run('jobs');
    expect(table).to.match(new RegExp(`${record.job} .*, journal entry 2 missing`));
    expect(table).to.match(new RegExp(`${closed.record.job} +succeeded, journal entry 0 missing`));
    expect(table).to.match(new RegExp(`${intact.record.job} +running `));
    for (let n = 0; n < 100; n += 1) {
      const newer = { ...ledgerJob(closed), job: `${closed.record.job}${n}`, createdAt: Date.now() + n };
      await (await ledger()).recordJob(newer);
    }
    expect((await listed()).holes).to.deep.equal([{ missing: 2, last: 4 }, undefined, null]);
    // If journals can't be listed, the list shows the data of the ledger, and warns.
    const jobsAt = join(place.directory, '.batchctl', 'store', 'jobs');
    renameSync(jobsAt, `${jobsAt}.away`);
    symlinkSync('jobs', jobsAt);
    const blind = await listed();
    expect(blind.holes).to.deep.equal([undefined, undefined, undefined]);
    expect(blind.stderr).to.include('warning: journals were not checked for missing entries');
  });

  it('is a line of the history, followed by the later entries', async () => {
    const { record } = await jobWithGap(2);
    const { store } = place.platform;
    const view = await readViewToShow(store, record.job);
    const linesFrom = async (from: number | null): Promise<readonly HistoryLine[]> => {
      const lines: HistoryLine[] = [];
      for await (const line of historyLines(store, view ?? emptyView(record), from)) lines.push(line);
      return lines;
    };
    const lines = await linesFrom(null);
    expect(lines.map(({ number, what }) => `${number} ${what}`).join()).to.equal(
      'null accepted,0 sent,1 pause,2 missing,3 pause,4 adjust',
    );
    expect(lines[4]?.text).to.equal('pause: ignored, as an earlier entry is missing');
    for (const from of [0, 1, 2, 3, 4, 5])
      expect(await linesFrom(from), String(from)).to.deep.equal(lines.slice(from + 1));
  });

  it('still allows fetching the existing outputs', async () => {
    const view = await publishAll(place.platform, await submitJob(place, ONE_STEP, { 'a.txt': 'a\nb\n' }));
    const { job } = view.record;
    await decide(place.platform, view, { what: 'retry', round: 1, tasks: {}, canaries: null, overrides: {} });
    await place.platform.store.delete([journalKey(job, 0)]);
    const { code, stdout, stderr } = await run('fetch', job, '-o', '-');
    expect([code, stdout]).to.deep.equal([0, 'price 0\nprice 1\n']);
    expect(stderr).to.include('warning: entry 0');
  });

  it('makes workers and watchers skip the job, and continue with the others', async () => {
    const { record } = await jobWithGap(1, 2);
    const other = await submitJob(place, ONE_STEP.replace('claims', 'other'), { 'a.txt': 'a\n' });
    const troubles: string[] = [];
    const watcher = new JobWatcher(place.platform, 15, (job, error) => troubles.push(`${job} ${String(error)}`));
    await watcher.round(true);
    expect(troubles.join()).to.include(record.job).and.include('entry 1 of the journal');
    await work(place.platform);
    const { store } = place.platform;
    expect(await store.head(outKey(record.job, 'price', 0))).to.equal(null);
    expect(stateOf(await requireView(store, other.record.job))).to.equal('succeeded');
  });
});
