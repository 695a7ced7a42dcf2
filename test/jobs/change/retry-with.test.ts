// Protects: a fixed program runs for failed tasks, and published outputs keep their code and their proof.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { readCorrectedFile } from '../../../src/jobs/change/corrected-file.ts';
import { pause, resume } from '../../../src/jobs/change/lifecycle.ts';
import { type RetryOptions, retry } from '../../../src/jobs/change/retry.ts';
import { readEntries, requireView } from '../../../src/jobs/journal.ts';
import { openFile, readOutput } from '../../../src/jobs/output.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { codeKey } from '../../../src/model/keys.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { entryKinds } from '../../support/stored.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob, work } from '../submitted-job.ts';

/** Numbers 2 and 3 fail for good until the program is fixed. */
const FILE = `
name: claims
files: [price.sh]
params: { region: EU }
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: price, attempts: 1, run: [sh, price.sh] }
  - { name: total, gather: true, run: 'echo "$BATCHCTL_PARAM_REGION"; cat' }
`;
const BROKEN = 'read n; [ $n = 1 ] || exit 65; echo "$BATCHCTL_PARAM_REGION $n"\n';
const FIXED = 'read n; echo "$BATCHCTL_PARAM_REGION $n fixed"\n';

describe('a fixed program', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  beforeEach(async () => {
    script(BROKEN);
    view = await submitJob(place, FILE, {});
  });

  const script = (content: string) => writeFileSync(join(place.directory, 'price.sh'), content);
  const reread = () => requireView(place.platform.store, view.record.job);
  const correctedFile = (yaml: string) => readCorrectedFile(parseJobFile(yaml, { file: 'job.yaml' }), place.directory);
  const retryTasks = async (options: Partial<RetryOptions>) => retry(place.platform, await reread(), options);
  const outputOf = async (step: string, task: number) => {
    const output = await readOutput(place.platform.store, view.record.job, step, task);
    const [file] = output?.files ?? [];
    if (output === null || file === undefined) throw new Error(`${step}/${task} is not published`);
    return { text: await text(await openFile(place.platform.store, file)), meta: output.meta };
  };

  it('is refused while nothing has failed, with the way to change what has not run yet', async () => {
    const error = await failsWith('refused', retryTasks({ overrides: { params: { region: 'FR' } } }));
    expect(error.message).to.match(/that failed for good is left, .* the change of params\.region$/);
    const { job } = view.record;
    expect(error.hint).to.equal(
      `for tasks that have not run yet: batchctl pause ${job}, then batchctl resume ${job} --with JOBFILE`,
    );
    // No change: the parameter has that value.
    expect((await retryTasks({ overrides: { params: { region: 'EU' } } })).round).to.equal(null);
    expect((await reread()).round).to.equal(0);
  });

  it('runs for the failed tasks and for the gather; published outputs keep the code that made them', async () => {
    await work(place.platform);
    script(FIXED);
    const correction = await correctedFile(FILE.replace('region: EU', 'region: FR'));
    const { round, sent, changes } = await retryTasks({ correction });
    expect({ round, sent }).to.deep.equal({ round: 1, sent: 2 });
    expect(changes.map(({ field }) => field)).to.deep.equal(['params.region', 'code', 'files/price.sh']);
    await work(place.platform);
    expect(stateOf(await reread())).to.equal('succeeded');
    const outputs = await Promise.all([0, 1, 2].map((n) => outputOf('price', n)));
    expect(outputs.map(({ text }) => text)).to.deep.equal(['EU 1\n', 'FR 2 fixed\n', 'FR 3 fixed\n']);
    const code = correction.code?.sha256;
    expect(outputs.map(({ meta }) => meta.code)).to.deep.equal([view.record.code, code, code]);
    const total = await outputOf('total', 0);
    expect(total.text).to.equal('FR\nEU 1\nFR 2 fixed\nFR 3 fixed\n');
    expect(total.meta).to.include({ code, round: 1 });
    const entry = (await readEntries(place.platform.store, view.record.job)).find(({ what }) => what === 'retry');
    expect(entry).to.deep.include({
      overrides: { timeout: null, steps: {}, defaults: { region: 'FR' }, params: {}, code },
    });
  });

  it('may raise attempts, timeouts, needs and exit codes of a step', async () => {
    await work(place.platform);
    script('[ "$X" = 1 ]\n');
    const step = 'attempts: 2, permanent: [7], timeout: 7s, env: { X: "1" }';
    const { changes } = await retryTasks({ correction: await correctedFile(FILE.replace('attempts: 1', step)) });
    expect(changes.filter(({ field }) => field.startsWith('steps.'))).to.deep.equal([
      { field: 'steps.price.timeout', from: 3_600, to: 7 },
      { field: 'steps.price.attempts', from: 1, to: 2 },
      { field: 'steps.price.permanent', from: [], to: [7] },
      { field: 'steps.price.env.X', from: null, to: '1' },
    ]);
    await work(place.platform);
    expect(stateOf(await reread())).to.equal('succeeded');
  });

  it('is refused for another job: every difference is named, and nothing is written', async () => {
    await work(place.platform);
    const other = FILE.replace('to: 3', 'to: 4').replace('name: total', 'name: sum');
    const { message } = await failsWith('refused', retryTasks({ correction: await correctedFile(other) }));
    expect(message).to.include('input.split').and.to.include('steps');
    expect((await reread()).round).to.equal(0);
  });

  it('is stored before its journal entry; a dry run stores nothing', async () => {
    await work(place.platform);
    script(FIXED);
    const correction = await correctedFile(FILE);
    const { choice, changes } = await retryTasks({ correction, dryRun: true });
    expect(choice.tasks).to.deep.equal({ price: '1-2' });
    expect(changes.map(({ field }) => field)).to.deep.equal(['code', 'files/price.sh']);
    expect(await place.platform.store.head(codeKey(correction.code?.sha256 ?? ''))).to.equal(null);
    await retryTasks({ correction });
    expect(await place.platform.store.head(codeKey(correction.code?.sha256 ?? ''))).to.not.equal(null);
  });

  it('is kept in later rounds, to which flags add changes', async () => {
    await work(place.platform);
    script('read n; [ $n != 3 ] || exit 1; echo "$BATCHCTL_PARAM_REGION $n fixed"\n');
    await retryTasks({ correction: await correctedFile(FILE) });
    await work(place.platform);
    expect(stateOf(await reread())).to.equal('failed');
    const { changes } = await retryTasks({ overrides: { params: { region: 'US' }, timeout: 9 }, dryRun: true });
    expect(changes).to.deep.equal([
      { field: 'params.region', from: 'EU', to: 'US' },
      { field: 'steps.price.timeout', from: 3_600, to: 9 },
      { field: 'steps.total.timeout', from: 3_600, to: 9 },
    ]);
  });

  it('resumes a paused job, and runs for every undecided task, even if queued before', async () => {
    await pause(place.platform, view, { now: false });
    script(FIXED);
    const resumed = await resume(place.platform, await reread(), await correctedFile(FILE));
    expect(resumed).to.include({ changed: true, sent: 3 });
    await work(place.platform);
    expect(stateOf(await reread())).to.equal('succeeded');
    for (const n of [0, 1, 2]) expect((await outputOf('price', n)).text).to.equal(`EU ${n + 1} fixed\n`);
    const entries = await entryKinds(place.platform.store, view.record.job);
    expect(entries).to.deep.equal(['sent', 'pause', 'retry', 'resume', 'close']);
  });

  it('runs the gather of a job that was paused when only the gather was left', async () => {
    for (const n of [0, 1, 2]) await publishSmall({ platform: place.platform, view }, 'price', n, `${n}\n`);
    await pause(place.platform, view, { now: false });
    await resume(place.platform, await reread(), await correctedFile(FILE.replace('cat', 'wc -l')));
    await work(place.platform);
    expect((await outputOf('total', 0)).text).to.equal('EU\n3\n');
  });

  it("doesn't run permanently failed tasks, or even a gather, until a retry requests it", async () => {
    const { platform } = place;
    for (const n of [0, 1, 2]) await publishSmall({ platform, view }, 'price', n, `${n}\n`);
    await look(platform, await reread());
    await pause(platform, view, { now: false });
    await failForGood(platform, view.record.job, 'total', 0);
    const correction = await correctedFile(FILE.replace('cat', 'wc -l'));
    const resumed = await resume(platform, await reread(), correction);
    expect([resumed.sent, stateOf(resumed.view)]).to.deep.equal([0, 'failed']);
    expect(await retryTasks({ correction })).to.include({ round: 2, sent: 1 });
    await work(platform);
    expect((await outputOf('total', 0)).text).to.equal('EU\n3\n');
  });

  it('is refused for a job that is running', async () => {
    const { message } = await failsWith('refused', resume(place.platform, view, await correctedFile(FILE)));
    expect(message).to.include('running');
  });
});

describe('a canary', () => {
  const place = forEachTest(openPlace);

  it("doesn't succeed through a late output of an earlier round", async () => {
    const { platform } = place;
    const yaml = FILE.replace('files: [price.sh]\n', '').replace('[sh, price.sh]', '"false"');
    const view = await submitJob(place, yaml, {});
    await work(platform);
    const failed = await requireView(platform.store, view.record.job);
    const options = { canaries: 1, overrides: { params: { region: 'US' } } };
    const { view: retried, choice } = await retry(platform, failed, options);
    expect(choice.canaries).to.deep.equal({ price: '0' });
    // With the view from before the retry: an output of round 0.
    await publishSmall({ platform, view }, 'price', 0, 'late');
    const found = await look(platform, retried);
    expect(found.did).to.deep.equal(['close']);
    expect(stateOf(found.view)).to.equal('failed');
  });
});
