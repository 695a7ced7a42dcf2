// Protects: a command that a job's state refuses offers only commands that the program accepts in that state.
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import type { LEGAL_STATES } from '../../src/model/legal.ts';
import { openPlace, publishSmall } from '../jobs/published-job.ts';
import { runHere } from '../jobs/run-here.ts';
import { ONE_STEP, publishAll, submitJob, work } from '../jobs/submitted-job.ts';
import { forSuite } from '../support/fixture.ts';

/** How each entry is asked for; an extension by a submission, which test/e2e/extend.test.ts tries. */
const ASKED: Readonly<Record<Exclude<keyof typeof LEGAL_STATES, 'extend'>, readonly string[]>> = {
  pause: ['pause', 'JOB'],
  resume: ['resume', 'JOB'],
  cancel: ['cancel', 'JOB', '--yes'],
  adjust: ['adjust', 'JOB', '--tolerate', '1'],
  kill: ['kill', 'JOB', 'price/0'],
  skip: ['skip', 'JOB', '--task', 'price/0', '--reason', 'a test'],
  unskip: ['skip', 'JOB', '--task', 'price/0', '--undo'],
  accept: ['adjust', 'JOB', '--accept', 'price.lines == 9', '--reason', 'a test'],
  retry: ['retry', 'JOB'],
};

describe('the hint of a command that a state refuses', () => {
  const place = forSuite(async () => {
    const { end: close, ...opened } = await openPlace();
    return { ...opened, close, end: close };
  });
  const jobs = new Map<string, string>();
  const run = (argv: readonly string[]) => runHere(place.directory, argv);

  before(async () => {
    const { platform } = place;
    const inputs = { 'a.txt': 'a\nb\n' };
    const named = (name: string, step = ''): string =>
      ONE_STEP.replace('claims', name).replace('run: [cat]', `run: [cat]${step}`);
    const failing = named('bad').replace('[cat]', '"echo bad >&2; exit 1", attempts: 1');
    const unmet = `${named('unmet')}expect: [ "price.lines == 9" ]\n`.replace(
      '[cat]',
      '"cat; echo lines 1 >> $BATCHCTL_COUNTERS"',
    );
    for (const [state, yaml] of [
      ['failed', failing],
      ['failed by a total', unmet],
    ] as const) {
      jobs.set(state, (await submitJob(place, yaml, inputs)).record.job);
      await work(platform);
    }
    jobs.set('succeeded', (await publishAll(platform, await submitJob(place, named('done'), inputs))).record.job);
    jobs.set('pruned', (await publishAll(platform, await submitJob(place, named('pruned'), inputs))).record.job);
    for (const state of ['submitted', 'paused', 'cancelled'])
      jobs.set(state, (await submitJob(place, named(state), inputs)).record.job);
    const cancelled = await requireView(platform.store, jobs.get('cancelled') ?? '');
    await publishSmall({ platform, view: cancelled }, 'price', 0, 'a\n');
    expect((await run(['pause', jobs.get('paused') ?? ''])).code).to.equal(0);
    expect((await run(['cancel', jobs.get('cancelled') ?? '', '--yes'])).code).to.equal(0);
  });

  const states = ['submitted', 'paused', 'succeeded', 'failed', 'failed by a total', 'cancelled'];
  for (const state of [...states, 'pruned'])
    it(`names only commands that work for a job that is ${state}`, async () => {
      const job = jobs.get(state) ?? '';
      if (state === 'pruned') expect((await run(['prune', '--all', '--yes'])).code).to.equal(0);
      let refused = 0;
      for (const words of Object.values(ASKED)) {
        const asked = words.map((word) => (word === 'JOB' ? job : word));
        const { code, stderr } = await run([...asked, '--dry-run']);
        const said = `${state}: ${asked.join(' ')}: ${stderr}`;
        if (code !== 7) continue;
        refused += 1;
        const hint = /^hint: (.*)$/m.exec(stderr)?.[1] ?? '';
        const offered = [...hint.matchAll(/batchctl (\w+) (\S+)/g)];
        expect(offered, said).to.not.have.length(0);
        for (const [, verb = '', of = ''] of offered) {
          const flags = { fetch: ['-o', '-'], retry: ['--dry-run', '--json'], resume: ['--dry-run'] }[verb] ?? [];
          const tried = await run([verb, of.replace(/,$/, ''), ...flags]);
          expect(tried.code, `${said}\n${verb}: ${tried.stderr}`).to.be.oneOf(verb === 'why' ? [0, 11] : [0]);
          if (verb === 'retry') expect(JSON.parse(tried.stdout).count, said).to.be.greaterThan(0);
        }
      }
      if (!['submitted', 'paused'].includes(state)) expect(refused).to.be.greaterThan(0);
    });
});
