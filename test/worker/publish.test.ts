// Protects: of two attempts at a task one output stays, in any form, and the other attempt leaves nothing; an unusual
// output name fails the attempt, not the worker.
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { type Output, readOutput } from '../../src/jobs/output.ts';
import { stepPrefix } from '../../src/model/keys.ts';
import { stateOf } from '../../src/model/view.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import { type PublishResult, publish } from '../../src/worker/publish.ts';
import { prepareSlotDirectory } from '../../src/worker/slot-directory.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob, work } from '../jobs/submitted-job.ts';
import { viewOf } from '../model/job-of.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { rejection } from '../support/rejection.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { makeTask } from './worker-context.ts';

const TASK = makeTask(viewOf([]));
const { job: JOB } = TASK.message;
/** Metadata that is too large for the object itself. */
const MANY = Object.fromEntries(Array.from({ length: 99 }, (_, n) => [`counter-number-${n}`, '12345678.90']));

interface Form {
  readonly files: Readonly<Record<string, string>>;
  readonly counters?: Readonly<Record<string, string>>;
  readonly output?: 'stdout' | 'files';
}
const FORMS = {
  small: { files: { '': 'x\n' } },
  none: { files: {} },
  'with many counters': { files: { '': 'x\n' }, counters: MANY },
  'of many files': { files: { b: '2', 'a/z': '1', 'a-': '3' }, output: 'files' },
} as const satisfies Record<string, Form>;

describe('publishing an output', () => {
  const place = forEachTest(openPlace);

  function publishForm(
    store: ObjectStore,
    form: keyof typeof FORMS,
    attempt: string,
    { signal, size }: { signal: AbortSignal; size?: number } = { signal: new AbortController().signal },
  ): Promise<PublishResult> {
    const { files, counters = {}, output = 'stdout' }: Form = FORMS[form];
    const directory = prepareSlotDirectory(join(place.directory, '.batchctl', 'tmp', attempt), 0);
    for (const [name, text] of Object.entries(files)) {
      const path = name === '' ? directory.stdout : join(directory.outputDirectory, name);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, text);
      if (size !== undefined) truncateSync(path, size);
    }
    if (output === 'files') mkdirSync(directory.outputDirectory, { recursive: true });
    const task = { ...TASK, step: { ...TASK.step, output } };
    const when = '2026-11-30T06:00:00.000Z';
    const to = {
      store,
      retrier: { run: <T>(act: () => Promise<T>) => act() },
      signal,
      refuseNoOutput: () => undefined,
    };
    return publish(to, task, directory, {
      attempt,
      number: 1,
      round: 0,
      worker: 'w',
      startedAt: when,
      endedAt: when,
      seconds: 1,
      cpuSeconds: null,
      peakMemory: null,
      bytesIn: 0,
      counters,
      code: null,
    });
  }
  for (const form of ['small', 'of many files'] as const)
    it(`ends with its attempt while it reads a huge output: ${form}`, async () => {
      const end = new AbortController();
      const publishing = publishForm(place.platform.store, form, 'a', { signal: end.signal, size: 2 ** 40 });
      end.abort(new Error('the lease is lost'));
      expect((await rejection(publishing)).message).to.equal('the lease is lost');
    });

  const published = (): Promise<Output | null> => readOutput(place.platform.store, JOB, 'price', 0);
  /** The attempts that have staged files. */
  const stagingAttempts = async (): Promise<readonly (string | undefined)[]> => {
    const attempts = new Set<string | undefined>();
    for await (const key of place.platform.store.keys(`${stepPrefix(JOB, 'price')}files/`))
      attempts.add(key.split('/').at(6));
    return [...attempts];
  };

  for (const form of Object.keys(FORMS) as (keyof typeof FORMS)[]) {
    it(`keeps the first of two, and removes the files that the other staged: ${form}`, async () => {
      const { store } = place.platform;
      expect((await publishForm(store, form, 'first')).kind).to.equal('published');
      const before = await published();
      const second = await publishForm(store, form, 'second');
      expect([second.kind, second.meta.attempt]).to.deep.equal(['twin', 'first']);
      expect(await published()).to.deep.equal(before);
      const hasManifest = form === 'with many counters' || form === 'of many files';
      expect(await stagingAttempts()).to.deep.equal(hasManifest ? ['first'] : []);
    });

    it(`recognises its own output even if the answer was lost: ${form}`, async () => {
      const { store } = place.platform;
      const losing = wrapStore(store, {
        put: async (...args) => ({ ...(await store.put(...args)), created: false }),
        uploadFile: async (...args) => ({ ...(await store.uploadFile(...args)), created: false }),
      });
      const { kind, meta } = await publishForm(losing, form, 'mine');
      expect([kind, meta.attempt]).to.deep.equal(['published', 'mine']);
      for (const { key } of (await published())?.files ?? []) expect(await store.head(key), key).to.not.equal(null);
    });
  }

  it('lists many files by name, in the order of their overall checksum', async () => {
    await publishForm(place.platform.store, 'of many files', 'a');
    expect((await published())?.files.map(({ name }) => name)).to.deep.equal(['a-', 'a/z', 'b']);
  });

  for (const [what, run] of [
    ['removes its output directory', 'rmdir "$BATCHCTL_OUTPUT_DIR"'],
    [
      'writes a path too long for a key',
      'd="$BATCHCTL_OUTPUT_DIR"; for i in 1 2 3 4 5 6; do d="$d/$(printf %0200d 1)"; done; mkdir -p "$d"; echo x > "$d/f"',
    ],
    ["gives a file a name that isn't UTF-8", `echo x > "$BATCHCTL_OUTPUT_DIR/$(printf 'caf\\351')"`],
    ["gives a directory a name that isn't UTF-8", `mkdir "$BATCHCTL_OUTPUT_DIR/$(printf 'caf\\351')"`],
  ] as const) {
    it(`fails the attempt of a command that ${what}`, async () => {
      const { platform } = place;
      const step = { name: 'price', attempts: 1, output: 'files', run };
      const view = await submitJob(place, JSON.stringify(rangeJob('claims', 1, step)), {});
      await work(platform);
      expect(stateOf(await requireView(platform.store, view.record.job))).to.equal('failed');
    });
  }
});
