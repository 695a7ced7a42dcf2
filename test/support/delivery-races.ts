import { expect } from 'chai';
import { deliver, deliverAgain } from '../../src/jobs/deliver/deliver.ts';
import type { PlacePoint } from '../../src/jobs/fetch/fill-place.ts';
import { append, readEntries } from '../../src/jobs/journal.ts';
import { jobKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { openPlace, type Place, publishSmall, putJob } from '../jobs/published-job.ts';
import { forEachTest } from './fixture.ts';
import { rejection } from './rejection.ts';
import { wrapStore } from './wrap-store.ts';

/** A place to deliver to, looked at from outside. */
interface Target {
  readonly to: string;
  readonly host: string | null;
  readonly platform: (platform: Platform) => Platform;
  /** Every file there, by its name. */
  files(): Promise<ReadonlyMap<string, string>>;
  write(name: string, text: string): Promise<void>;
}

/** Where a delivery is stopped; `read`: as it has read a file's bytes, and is about to put them; `delete`: about to. */
type Point = PlacePoint | 'read' | 'delete';
const POINTS: readonly (readonly [Point, number])[] = [
  ['place-plan', 1],
  ['place-claim', 1],
  ['place-shut', 1],
  ['read', 1],
  ['read', 20],
  ['place-file', 1],
  ['place-file', 7],
  ['place-manifest', 1],
  ['place-marker', 1],
  ['place-marked', 1],
];
/** A platform whose clock shows the same instant at each close. */
const closing = ({ store, who, clock }: Platform): Pick<Platform, 'store' | 'who' | 'clock'> => ({
  store,
  who,
  clock: { ...clock, now: () => Date.parse('2026-11-30T07:00:00.000Z') },
});

/** Deliveries of several processes to one place, each stopped wherever it may be. `late`: where a request may arrive late. */
export function deliveryRaces(title: string, late: boolean, makeTarget: (place: Place) => Promise<Target>): void {
  describe(title, () => {
    const place = forEachTest(openPlace);
    let target: Target;
    beforeEach(async () => {
      target = await makeTarget(place);
    });

    /** A job that succeeded, and is to be delivered. The hour says when it was submitted. */
    async function finished(hour: number, tasks: number, marker = '_SUCCESS'): Promise<JobView> {
      const job = `count-20261130-0${hour}00-abcde`;
      const yaml = `
name: count
input: { split: { by: range, from: 1, to: ${tasks} } }
steps: [{ name: upper, run: [cat] }]
deliver: { to: ${target.to}, name: "n-{task}", marker: ${marker} }
`;
      const put = await putJob(place.platform, [], { job, yaml, parts: tasks });
      const { to, host } = target;
      const createdAt = `2026-11-30T0${hour}:00:00.000Z`;
      const view = { ...put, record: { ...put.record, createdAt, deliverTo: { place: to, host } } };
      await place.platform.store.put(jobKey(job), JSON.stringify(view.record));
      for (let task = 0; task < tasks; task += 1) {
        await publishSmall({ platform: place.platform, view }, 'upper', task, textOf(view, task));
      }
      return closed(view);
    }
    const closed = async (view: JobView): Promise<JobView> =>
      (await append(closing(place.platform), view, () => CLOSE)).view;
    const CLOSE = { what: 'close', state: 'succeeded', reason: null, round: 0 } as const;

    const textOf = (view: JobView, task: number): string => `${view.record.job} ${task}\n`;
    const whole = (view: JobView): Promise<JobView> => deliver(target.platform(place.platform), view);

    /** A delivery that stops at a point, and goes on when told. */
    async function stopped(view: JobView, [point, times]: readonly [Point, number]) {
      let left = times;
      let goOn = (): void => undefined;
      const told = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      let there = (): void => undefined;
      const arrived = new Promise<void>((resolve) => {
        there = resolve;
      });
      const pass = async (passed: string): Promise<void> => {
        if (passed === point) left -= 1;
        if (left > 0) return;
        there();
        await told;
      };
      const { store } = place.platform;
      const on = target.platform(place.platform);
      const platform: Platform = {
        ...on,
        bucket: async (name) => {
          const bucket = await on.bucket(name);
          const deleting = async (keys: readonly string[]) => {
            await pass('delete');
            return bucket.delete(keys);
          };
          return new Proxy(bucket, {
            get: (of, what) => {
              const value = what === 'delete' ? deleting : Reflect.get(of, what);
              return typeof value === 'function' ? value.bind(of) : value;
            },
          });
        },
        store: wrapStore(store, {
          read: async (key, options) => {
            const bytes = await store.read(key, options);
            if (key.includes('/out/')) await pass('read');
            return bytes;
          },
        }),
      };
      const delivering = deliver(platform, view, { passed: pass });
      delivering.catch(() => undefined);
      await Promise.race([arrived, delivering]);
      return {
        ended: () => {
          goOn();
          return delivering;
        },
      };
    }

    /** The place holds this job's outputs, and nothing else. */
    async function expectOnly(view: JobView, marker = '_SUCCESS'): Promise<void> {
      const files = await target.files();
      const names = Array.from({ length: view.record.parts }, (_, task) => `n-${String(task).padStart(9, '0')}`);
      expect([...files.keys()].sort()).to.deep.equal([marker, '_manifest.json', ...names].sort());
      for (const [task, name] of names.entries()) expect(files.get(name), name).to.equal(textOf(view, task));
      expect(JSON.parse(files.get('_manifest.json') ?? '')).to.include({ job: view.record.job, outputs: names.length });
    }
    const entries = async (view: JobView): Promise<readonly string[]> =>
      (await readEntries(place.platform.store, view.record.job))
        .map(({ what }) => what)
        .filter((what) => what !== 'close');

    const deliveredIn = async (view: JobView) =>
      (await readEntries(place.platform.store, view.record.job)).find(({ what }) => what === 'delivered');

    for (const at of POINTS) {
      const point = at.join(':');

      it(`an older delivery stopped at ${point} changes nothing once a newer one has begun`, async () => {
        const [older, newer] = [await finished(6, 24), await finished(7, 20)];
        const first = await stopped(older, at);
        await whole(newer);
        // If it was killed there, this is all.
        await expectOnly(newer);
        if (point === 'place-marked:1') {
          // It had come to its end before the newer one began.
          await first.ended();
        } else {
          const error = await rejection(first.ended());
          expect(error).to.include({ kind: 'refused' });
          expect(error.message).to.include('it contains the outputs of a later job');
          expect(await entries(older)).to.deep.equal(['undelivered']);
        }
        await expectOnly(newer);
        expect(await entries(newer)).to.deep.equal(['delivered']);
      });

      it(`an older delivery stopped at ${point} changes nothing while a newer one is under way`, async () => {
        const [older, newer] = [await finished(6, 24), await finished(7, 20)];
        const first = await stopped(older, at);
        const other = await stopped(newer, ['place-file', 3]);
        const before = await target.files();
        await first.ended().catch(() => undefined);
        const after = await target.files();
        expect(after.has('_SUCCESS')).to.equal(false);
        for (const [name, text] of before) expect(after.get(name) ?? text, name).to.equal(text);
        await other.ended();
        await expectOnly(newer);
      });

      // Before it claims the place, nobody knows of it.
      if (at[0] !== 'place-plan')
        it(`an older delivery is refused while a newer one is stopped at ${point}`, async () => {
          const [older, newer] = [await finished(6, 24), await finished(7, 20)];
          const first = await stopped(newer, at);
          const before = await target.files();
          expect((await rejection(whole(older))).message).to.include('it contains the outputs of a later job');
          // Its own requests that were on their way may still arrive.
          const after = await target.files();
          for (const [name, text] of before) expect(after.get(name), name).to.equal(text);
          await first.ended();
          await expectOnly(newer);
        });

      it(`of two deliveries of one job, one stopped at ${point}, the other puts all of it`, async () => {
        const view = await finished(6, 20);
        const first = await stopped(view, at);
        await whole(view);
        await expectOnly(view);
        await first.ended();
        await expectOnly(view);
        expect(await entries(view)).to.deep.equal(['delivered']);
        const bytes = Array.from({ length: 20 }, (_, task) => textOf(view, task).length).reduce((sum, n) => sum + n, 0);
        expect(await deliveredIn(view), 'each counts once').to.include({ outputs: 20, bytes });
      });
    }

    const ofLate = late ? it : () => undefined;
    ofLate('a request of an older delivery that comes late takes nothing from a newer one', async () => {
      const [oldest, older, newer] = [await finished(5, 20), await finished(6, 24), await finished(7, 20)];
      await whole(oldest);
      // The first that it removes is the marker.
      const first = await stopped(older, ['delete', 2]);
      const other = await stopped(newer, ['place-file', 20]);
      await rejection(first.ended());
      await other.ended();
      await expectOnly(newer);
    });

    it('the manifest is there before the marker, and the marker last: who sees it sees all', async () => {
      const view = await finished(6, 2);
      const there: string[] = [];
      const passed = async (point: PlacePoint): Promise<void> => {
        if (!point.startsWith('place-mark') && point !== 'place-manifest') return;
        const files = await target.files();
        there.push(
          [point, ...['n-000000001', '_manifest.json', '_SUCCESS'].filter((name) => files.has(name))].join(' '),
        );
      };
      await deliver(target.platform(place.platform), view, { passed });
      expect(there).to.deep.equal([
        'place-manifest n-000000001',
        'place-marker n-000000001 _manifest.json',
        'place-marked n-000000001 _manifest.json _SUCCESS',
      ]);
    });

    it('of two jobs that were accepted in the same millisecond, each replaces what the other delivered', async () => {
      const [one, two] = [await finished(6, 3), await finished(7, 2)];
      const { createdAt } = one.record;
      const other = { ...two, record: { ...two.record, createdAt } };
      await whole(one);
      await whole(other);
      await expectOnly(other);
    });

    it('files that only an earlier job had are gone before the manifest is there that lacks them', async () => {
      const [older, newer] = [await finished(6, 3), await finished(7, 2)];
      await whole(older);
      const there: string[] = [];
      const passed = async (point: PlacePoint): Promise<void> => {
        if (point === 'place-manifest') there.push(...(await target.files()).keys());
      };
      await deliver(target.platform(place.platform), newer, { passed });
      expect(there).to.include('n-000000001').and.not.include('n-000000002').and.not.include('_SUCCESS');
    });

    it('a marker never stands while an altered file is replaced', async () => {
      const done = await whole(await finished(6, 3));
      await target.write('n-000000001', 'altered\n');
      const there: string[] = [];
      const passed = async (point: PlacePoint): Promise<void> => {
        if (point === 'place-file') there.push(...(await target.files()).keys());
      };
      await deliverAgain(target.platform(place.platform), done, { passed });
      expect(there).to.include('n-000000001').and.not.include('_SUCCESS');
      await expectOnly(done);
    });

    it('an earlier close of the job changes nothing once a later one is delivered', async () => {
      const earlier = await finished(6, 3);
      const first = await stopped(earlier, ['place-plan', 1]);
      const later = await closed(earlier);
      await whole(later);
      const before = (await target.files()).get('_manifest.json');
      await first.ended();
      await expectOnly(later);
      expect((await target.files()).get('_manifest.json')).to.equal(before);
    });

    it('a marker never stands while files are replaced, whatever it is called', async () => {
      const [older, newer] = [await finished(6, 3, '_DONE'), await finished(7, 20)];
      await whole(older);
      await expectOnly(older, '_DONE');
      const stops = await stopped(newer, ['place-file', 1]);
      const files = await target.files();
      for (const name of ['_DONE', '_SUCCESS']) expect(files.has(name), name).to.equal(false);
      await stops.ended();
      await expectOnly(newer);
    });

    it('a job that was opened and closed again is delivered anew, and the delivery of its earlier close ends', async () => {
      const view = await finished(6, 20);
      const first = await stopped(view, ['place-file', 7]);
      const { view: opened } = await append(closing(place.platform), view, () => ({
        what: 'skip',
        tasks: { upper: '0' },
        reason: 'none',
        round: 0,
      }));
      const again = await closed(opened);
      await whole(again);
      await first.ended();
      await expectOnly(view);
      expect((await entries(view)).filter((what) => what.endsWith('delivered'))).to.deep.equal(['delivered']);
    });
  });
}
