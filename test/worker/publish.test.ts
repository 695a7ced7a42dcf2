// Protects: of two attempts at a task one output stays, in any form, and the other attempt leaves nothing.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Output, readOutput } from '../../src/jobs/output.ts';
import { stepPrefix } from '../../src/model/keys.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { AdmittedTask } from '../../src/worker/admit.ts';
import { type PublishResult, publish } from '../../src/worker/publish.ts';
import { prepareSlotDirectory } from '../../src/worker/slot-directory.ts';
import { openPlace } from '../jobs/published-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';

const JOB = 'claims-20261130-0600-abcde';
/** Metadata that is too large for the object itself. */
const MANY = Object.fromEntries(Array.from({ length: 99 }, (_, n) => [`counter-number-${n}`, '12345678.90']));
const FORMS = {
  small: { files: { '': 'x\n' } },
  none: { files: {} },
  'with many counters': { files: { '': 'x\n' }, counters: MANY },
  'of many files': { files: { b: '2', 'a/z': '1', 'a-': '3' }, output: 'files' },
} as const satisfies Record<string, { files: Record<string, string>; counters?: object; output?: string }>;

describe('publishing an output', () => {
  const place = forEachTest(openPlace);

  function attemptAt(store: ObjectStore, form: keyof typeof FORMS, attempt: string): Promise<PublishResult> {
    const { files, counters = {}, output = 'stdout' } = { counters: {}, output: 'stdout', ...FORMS[form] };
    const directory = prepareSlotDirectory(join(place.directory, '.batchctl', 'tmp', attempt), 0);
    for (const [name, text] of Object.entries(files)) {
      const path = name === '' ? directory.stdout : join(directory.outputDirectory, name);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, text);
    }
    if (output === 'files') mkdirSync(directory.outputDirectory, { recursive: true });
    const task = { message: { job: JOB, step: 'price', task: 0, round: 0 }, step: { output } } as AdmittedTask;
    const when = '2026-11-30T06:00:00.000Z';
    const retrier = { run: <T>(act: () => Promise<T>): Promise<T> => act() };
    return publish({ store, retrier }, task, directory, {
      ...{ attempt, number: 1, round: 0, worker: 'w', startedAt: when, endedAt: when, seconds: 1, cpuSeconds: null },
      ...{ peakMemory: null, bytesIn: 0, counters, code: null },
    });
  }
  const standing = (): Promise<Output | null> => readOutput(place.platform.store, JOB, 'price', 0);
  const staged = async (): Promise<ReadonlySet<string | undefined>> => {
    const of = new Set<string | undefined>();
    for await (const key of place.platform.store.keys(`${stepPrefix(JOB, 'price')}files/`))
      of.add(key.split('/').at(6));
    return of;
  };

  for (const form of Object.keys(FORMS) as (keyof typeof FORMS)[]) {
    it(`keeps the first one, and removes what the other staged: ${form}`, async () => {
      const { store } = place.platform;
      expect((await attemptAt(store, form, 'first')).kind).to.equal('published');
      const before = await standing();
      const second = await attemptAt(store, form, 'second');
      expect([second.kind, second.meta.attempt]).to.deep.equal(['twin', 'first']);
      expect(await standing()).to.deep.equal(before);
      const hasManifest = form === 'with many counters' || form === 'of many files';
      expect([...(await staged())]).to.deep.equal(hasManifest ? ['first'] : []);
    });

    it(`recognises its own output even if the answer was lost: ${form}`, async () => {
      const { store } = place.platform;
      const losing = wrapStore(store, {
        put: async (...asked) => ({ ...(await store.put(...asked)), created: false }),
        uploadFile: async (...asked) => ({ ...(await store.uploadFile(...asked)), created: false }),
      });
      const { kind, meta } = await attemptAt(losing, form, 'mine');
      expect([kind, meta.attempt]).to.deep.equal(['published', 'mine']);
      for (const { key } of (await standing())?.files ?? []) expect(await store.head(key), key).to.not.equal(null);
    });
  }

  it('lists many files by name, in the order of their overall checksum', async () => {
    await attemptAt(place.platform.store, 'of many files', 'a');
    expect((await standing())?.files.map(({ name }) => name)).to.deep.equal(['a-', 'a/z', 'b']);
  });
});
