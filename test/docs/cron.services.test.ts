// Protects: the crontab lines of docs/cron.md run each month once, and mail each failure with the commands that fix it.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CronEntry, CronScripts, crontabsIn, instantOf } from '../support/cron-scripts.ts';
import { forEachTest } from '../support/fixture.ts';
import { installed } from '../support/run/lacking.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '../..');
const LAST_EVENING = instantOf('2026-11-30 18:30', 'Europe/London');
const NEXT_MORNING = instantOf('2026-12-01 06:30', 'Europe/London');
const CLAIMS = 'id,region,amount\n1,EU,2.50\n2,US,3.10\n3,EU,4.00\n';
const TOTALS = 'region,amount\nEU,6.50\nUS,3.10\n';
const SILENT = { code: 0, mail: '' };
const jobOf = (command: string): string => `
name: claims
input: { from: "in/claims-{period}.csv", split: { by: csv, every: 1, header: true } }
steps:
  - { name: sum, run: '${command}' }
`;

describe('the lines of docs/cron.md with the real program', () => {
  const [crontab] = crontabsIn(readFileSync(join(ROOT, 'docs/cron.md'), 'utf8'));
  if (crontab === undefined) throw new Error('docs/cron.md has no crontab');
  const line = (begin: string): CronEntry => {
    const found = crontab.entries.find((entry) => entry.line.startsWith(begin));
    if (found === undefined) throw new Error(`docs/cron.md has no line that begins with ${begin}`);
    return found;
  };
  const [evening, morning, reboot] = [line('30 18 28-31'), line('30 6 1-3'), line('@reboot')];
  const [look, tidy] = [line('0 * * * *'), line('15 7 * * 1')];

  const scripts = forEachTest(() => new CronScripts(crontab, 'batchctl'));

  /** A job whose tasks report their start, and end once the file `go` exists. */
  const gated = () =>
    jobOf(`: >${scripts.path('begun')}; while ! [ -e ${scripts.path('go')} ]; do sleep 0.05; done; cat`);
  const fireEvening = (env: Readonly<Record<string, string>> = {}) => scripts.fire(evening, { at: LAST_EVENING, env });
  const fireMorning = () => scripts.fire(morning, { at: NEXT_MORNING });
  const oneJob = async () => (await scripts.jobs()).map(({ runKey, state }) => `${runKey} ${state}`);

  it('print nothing for a month that went well, and leave its result, report and log', async () => {
    scripts.write('in/claims-2026-11.csv', CLAIMS);
    expect(await fireEvening()).to.deep.equal(SILENT);
    expect(scripts.read('out/claims-2026-11.csv')).to.equal(TOTALS);
    expect(scripts.read('out/claims-2026-11.html'))
      .to.match(/^<!doctype html>/i)
      .and.contain('claims-2026-11');
    expect(scripts.read('log/claims-2026-11.log')).to.match(/^== .*2026: exit 0\n/);
    expect(await fireMorning(), 'again').to.deep.equal(SILENT);
    renameSync(scripts.path('in/claims-2026-11.csv'), scripts.path('in/archived.csv'));
    expect(await fireMorning(), 'the input was moved away').to.deep.equal(SILENT);
    expect(await oneJob()).to.deep.equal(['claims-2026-11 succeeded']);
    expect(readdirSync(scripts.path('log'))).to.deep.equal(['claims-2026-11.log']);
  });

  it('make one job of two firings at the same second, and neither complains', async () => {
    scripts.write('in/claims-2026-11.csv', CLAIMS);
    expect(await Promise.all([fireEvening(), fireEvening()])).to.deep.equal([SILENT, SILENT]);
    expect(await oneJob()).to.deep.equal(['claims-2026-11 succeeded']);
    expect(scripts.read('out/claims-2026-11.csv')).to.equal(TOTALS);
  });

  it('continue after a kill: the hourly line finds the job, the line after a reboot completes it', async () => {
    scripts.write('claims.yaml', gated());
    scripts.write('in/claims-2026-11.csv', CLAIMS);
    expect(await scripts.fire(reboot, { at: LAST_EVENING }), 'nothing was begun yet').to.deep.equal(SILENT);
    expect(existsSync(scripts.path('.batchctl/store/runs+'))).to.equal(false);
    const firing = scripts.start(evening, { at: LAST_EVENING });
    await until('a task runs', () => existsSync(scripts.path('begun')));
    firing.kill();
    await firing.ended;
    const looked = await until('the look finds no worker', async () => {
      const fired = await scripts.fire(look, { at: NEXT_MORNING });
      return fired.code === 11 && fired.mail.includes('noWorker') ? fired : null;
    });
    expect(looked.mail).to.contain('fix: ');
    scripts.write('go', '');
    expect(await scripts.fire(reboot, { at: NEXT_MORNING })).to.deep.equal(SILENT);
    expect(await oneJob()).to.deep.equal(['claims-2026-11 succeeded']);
    expect(scripts.read('out/claims-2026-11.csv')).to.equal(
      'id,region,amount\n1,EU,2.50\nid,region,amount\n2,US,3.10\nid,region,amount\n3,EU,4.00\n',
    );
    expect(await scripts.fire(look, { at: NEXT_MORNING }), 'nothing is open').to.deep.equal(SILENT);
  });

  it('wait for a late input', async () => {
    const firing = scripts.start(evening, { at: LAST_EVENING });
    let ended = false;
    void firing.ended.then(() => (ended = true));
    await until('it has looked at its store', () => existsSync(scripts.path('.batchctl/store')));
    // A full look takes longer than what would end the firing if it didn't wait.
    expect(await scripts.fire(look, { at: LAST_EVENING })).to.deep.equal(SILENT);
    expect(ended).to.equal(false);
    scripts.write('in/partial', CLAIMS);
    renameSync(scripts.path('in/partial'), scripts.path('in/claims-2026-11.csv'));
    expect(await firing.ended).to.deep.equal(SILENT);
    expect(scripts.read('out/claims-2026-11.csv')).to.equal(TOTALS);
  });

  it('mail that the input did not arrive, and how to start once it has', async () => {
    const { code, mail } = await fireEvening({ AWAIT: '1s' });
    expect(code).to.equal(4);
    expect(scripts.read('log/claims-2026-11.log')).to.match(/^== .*: waits for its input, up to 1s$/m);
    expect(mail).to.match(/^claims 2026-11 on \S+: its input had not come after 1s \(exit 4\)$/m);
    expect(mail).to.contain('in/claims-2026-11.csv matches nothing');
    expect(mail).to.contain(`cd ${scripts.path()}\n./run-period.sh claims.yaml 2026-11\n`);
    expect(await scripts.jobs()).to.deep.equal([]);
    scripts.write('in/claims-2026-11.csv', CLAIMS);
    expect(await scripts.fire(lastLines(mail), { at: NEXT_MORNING }), 'as the mail says').to.deep.equal(SILENT);
  });

  it('mail the causes of a failure with the commands that fix it, and are silent again after the fix', async () => {
    scripts.write('in/claims-2026-11.csv', CLAIMS.replace('3.10', '3;10'));
    const { code, mail } = await fireEvening();
    expect(code).to.equal(5);
    expect(mail).to.contain('the job failed, or was cancelled (exit 5)');
    expect(mail).to.contain('1 of 1 task failed for good, for 1 cause').and.contain('not an amount: 2,US,3;10');
    expect(scripts.read('out/claims-2026-11.html')).to.contain('not an amount');
    expect((await fireMorning()).code, 'it is mailed again until it is fixed').to.equal(5);

    const fix = /batchctl retry key:claims-2026-11 --with claims\.yaml/.exec(mail)?.[0] ?? 'the mail names no fix';
    scripts.write('sum.awk', scripts.read('sum.awk').replace('$3 !~', '{ sub(";", ".", $3) }\n$3 !~'));
    expect((await scripts.fire(`cd ${scripts.path()} && ${fix}`, { at: NEXT_MORNING })).code).to.equal(0);
    expect(await scripts.fire(lastLines(mail), { at: NEXT_MORNING })).to.deep.equal(SILENT);
    expect(scripts.read('out/claims-2026-11.csv')).to.equal(TOTALS);
    expect(await fireMorning(), 'the job keeps the fixed program').to.deep.equal(SILENT);
    expect(await oneJob()).to.deep.equal(['claims-2026-11 succeeded']);
  });

  it('mail a rejection if the input changed after the month ran', async () => {
    scripts.write('in/claims-2026-11.csv', CLAIMS);
    await fireEvening();
    scripts.write('in/claims-2026-11.csv', CLAIMS.replace('3.10', '3.20'));
    const { code, mail } = await fireMorning();
    expect(code).to.equal(7);
    expect(mail).to.contain('with other content');
    const again = /^batchctl run claims\.yaml .* --again .*$/m.exec(mail)?.[0] ?? 'the mail names no command';
    expect((await scripts.fire(`cd ${scripts.path()} && ${again}`, { at: NEXT_MORNING })).code).to.equal(0);
    expect(scripts.read('out/claims-2026-11.csv')).to.contain('US,3.20');
    expect(await fireMorning(), "the key's latest run is the second").to.deep.equal(SILENT);
  });

  it('mail that the job was paused, and how to continue it', async () => {
    scripts.write('claims.yaml', gated());
    scripts.write('in/claims-2026-11.csv', CLAIMS);
    const firing = scripts.start(evening, { at: LAST_EVENING });
    await until('a task runs', () => existsSync(scripts.path('begun')));
    await scripts.batchctl('pause', 'key:claims-2026-11');
    scripts.write('go', '');
    const { code, mail } = await firing.ended;
    expect(code).to.equal(7);
    expect(mail).to.contain('the job is paused (exit 7)').and.contain('batchctl resume key:claims-2026-11');
    await scripts.batchctl('resume', 'key:claims-2026-11');
    expect(await scripts.fire(lastLines(mail), { at: NEXT_MORNING })).to.deep.equal(SILENT);
  });

  it('mail that the job is late, and why; the same line continues it', async () => {
    scripts.write('claims.yaml', gated());
    scripts.write('in/claims-2026-11.csv', CLAIMS);
    const firing = scripts.start(evening, { at: LAST_EVENING, env: { LIMIT: '1s' } });
    // At the job's time: by the machine's clock, its workers were last seen long ago.
    const workers = `cd ${scripts.path()} && batchctl workers --json`;
    await until('the time is over', async () =>
      (await scripts.fire(workers, { at: LAST_EVENING })).mail.includes('"state":"draining"'),
    );
    scripts.write('go', '');
    const { code, mail } = await firing.ended;
    expect(code).to.equal(6);
    expect(mail).to.contain('not finished after 1s (exit 6)').and.contain('noWorker');
    expect(await fireMorning()).to.deep.equal(SILENT);
  });

  it('mail once that a month was worse than the one before', async () => {
    scripts.write('claims.yaml', jobOf('cat'));
    for (const month of ['2026-10', '2026-11']) scripts.write(`in/claims-${month}.csv`, CLAIMS);
    expect(await scripts.fire(evening, { at: instantOf('2026-10-31 18:30', 'Europe/London') })).to.deep.equal(SILENT);
    // Far longer than the month before took on this machine.
    const report = JSON.parse(await scripts.batchctl('report', 'key:claims-2026-10', '--json'));
    scripts.write('claims.yaml', jobOf(`sleep ${5 * report.steps[0].duration.p50}; cat`));
    const { code, mail } = await fireEvening({ REGRESS: '200%' });
    expect(code).to.equal(11);
    expect(mail)
      .to.contain('done and proven, but worse than the run before')
      .and.match(/^worse: sum p50/m);
    expect(scripts.read('out/claims-2026-11.compared.txt')).to.contain('compared with');
    expect(await fireMorning()).to.deep.equal(SILENT);
  });

  it('mail a PATH without batchctl', async () => {
    const { code, mail } = await fireEvening({ PATH: '/usr/bin:/bin' });
    expect(code).to.equal(127);
    expect(mail).to.contain('batchctl or node is not on the PATH').and.contain('set PATH');
  });

  it("clean up silently, and print doctor's warnings", async () => {
    scripts.write('in/claims-2026-11.csv', CLAIMS);
    await scripts.fire(`${scripts.path('month-end.sh')} 2026-11`, { at: new Date() });
    expect(await scripts.fire(tidy, { at: new Date() })).to.deep.equal(SILENT);
    expect(await oneJob()).to.deep.equal(['claims-2026-11 succeeded']);
    await until('the job is old enough', async () => {
      expect(await scripts.fire(tidy, { at: new Date(), env: { KEEP: '1s' } })).to.deep.equal(SILENT);
      return (await scripts.batchctl('status', 'key:claims-2026-11', '--json')).includes('"prunedAt":"');
    });
    const { code, mail } = await scripts.fire(tidy, { at: LAST_EVENING });
    expect(code).to.equal(11);
    expect(mail).to.match(/^doctor \(exit 11\):\nwarn {2}clock .*\n +fix: {2}.*\n$/);
  });
});

describe('the scripts of docs/cron.md', () => {
  it('pass shellcheck', () => {
    const names = readdirSync(join(ROOT, 'examples/cron')).filter((name) => name.endsWith('.sh'));
    const { status, stdout } = spawnSync(installed('shellcheck'), ['-x', ...names], {
      cwd: join(ROOT, 'examples/cron'),
      encoding: 'utf8',
    });
    expect(stdout).to.equal('');
    expect(status).to.equal(0);
  });

  it('all exist', () => {
    const page = readFileSync(join(ROOT, 'docs/cron.md'), 'utf8');
    const named = [...page.matchAll(/\b([\w-]+\.(?:sh|yaml))\b/g)].map((match) => match[1] ?? '');
    expect(named.filter((name) => !existsSync(join(ROOT, 'examples/cron', name)))).to.deep.equal([]);
  });
});

/** The end of a mail: the directory, and the line to run again. */
const lastLines = (mail: string): string => mail.trimEnd().split('\n').slice(-2).join(' && ');
