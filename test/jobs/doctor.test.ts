// Protects: doctor finds unsafe stores, full disks, old Node and leftovers, and never hangs on one check.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { fileChecks } from '../../src/adapters/local/checks.ts';
import { BatchctlError } from '../../src/errors.ts';
import {
  gridChecks,
  type OpenJobs,
  openJobsCheck,
  readOpenJobs,
  secretsCheck,
} from '../../src/jobs/doctor/grid-checks.ts';
import { machineChecks, runChecks } from '../../src/jobs/doctor/machine-checks.ts';
import { append } from '../../src/jobs/journal.ts';
import type { CheckResult } from '../../src/model/answers/upkeep.ts';
import { pass } from '../../src/model/finding.ts';
import type { DiskSpace } from '../../src/model/machine-facts.ts';
import { OTHER_MACHINES } from '../../src/platform/other-machines.ts';
import type { Check } from '../../src/ports/check.ts';
import { retryOf } from '../model/job-of.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { openPlace, putJob, STEPS } from './published-job.ts';

const only = async (checks: readonly Check[], name: string): Promise<CheckResult> => {
  const [result] = await runChecks(checks.filter(({ code }) => code === name));
  if (result === undefined) throw new Error(`no check ${name}`);
  return result;
};
const NO_JOB: OpenJobs = { views: new Map(), uncommitted: new Map(), unreadable: new Map() };
/** The id of a process that has ended. */
const deadPid = (): number => spawnSync('true').pid;

describe('doctor’s checks', () => {
  const place = forEachTest(openPlace);

  it('give up on a check that hangs, report one that throws as failed, and keep their order', async () => {
    const checks: readonly Check[] = [
      { code: 'hangs', run: () => new Promise(() => undefined) },
      {
        code: 'throws',
        run: () => {
          throw new BatchctlError('unavailable', 'EIO', { hint: 'look at the disk' });
        },
      },
      { code: 'well', run: () => pass('fine') },
    ];
    expect(await runChecks(checks, 20)).to.deep.equal([
      {
        code: 'hangs',
        severity: 'fail',
        message: 'no answer within 0.02 s',
        fix: 'a disk or service hangs; check it and try again',
      },
      { code: 'throws', severity: 'fail', message: 'EIO', fix: 'look at the disk' },
      { code: 'well', severity: 'pass', message: 'fine', fix: null },
    ]);
  });

  it('fail on a store where creating a name again replaces the first object', async () => {
    const { platform } = place;
    expect(await only(gridChecks(platform), 'createIfAbsent')).to.include({ severity: 'pass' });
    const store = wrapStore(platform.store, { put: (key, body) => platform.store.put(key, body) });
    const broken = await only(gridChecks({ ...platform, store }), 'createIfAbsent');
    expect(broken).to.include({ severity: 'fail' });
    expect(broken.fix).to.include('local disk');
  });

  it('warn of a disk that is nearly full, in bytes or in files', async () => {
    const { platform } = place;
    const disk: DiskSpace = { what: 'the store', path: '/d', free: 5e9, total: 500e9, freeFiles: null };
    const statusWith = async (change: Partial<DiskSpace>) => {
      const insight = {
        disks: async () => [{ ...disk, ...change }],
        supervisor: async () => ({ alive: true, log: null, said: [] }),
      };
      return (await only(gridChecks({ ...platform, insight }), 'diskSpace')).severity;
    };
    expect(await statusWith({ free: 400e9 })).to.equal('pass');
    expect(await statusWith({})).to.equal('warn');
    expect(await statusWith({ free: 400e9, freeFiles: 5_000 })).to.equal('warn');
    expect(await statusWith({ free: 10e6 })).to.equal('fail');
  });

  it('warn of a submission that began and was never committed', async () => {
    const { platform } = place;
    await platform.store.put('open/claims-20261130-0600-abcde.0', '{"format":1}');
    const open = await readOpenJobs(platform);
    expect(await openJobsCheck(platform, open)).to.include({ severity: 'pass' });
    const clock = { ...platform.clock, now: () => Date.now() + 3_600_000 };
    const later = await openJobsCheck({ ...platform, clock }, open);
    expect(later).to.include({ severity: 'warn' });
    expect(later.message).to.include('claims-20261130-0600-abcde').and.include('60 min ago');
  });

  it('warn of leftovers of killed processes: old half-written files, and scratch directories', async () => {
    const root = join(place.directory, '.batchctl');
    writeFileSync(join(root, 'tmp', `${deadPid()}-put-1`), 'half');
    writeFileSync(join(root, 'tmp', `${process.pid}-put-1`), 'being written');
    expect(await only(fileChecks(root), 'leftovers')).to.include({ severity: 'pass' });
    const later = await only(fileChecks(root, Date.now() + 7_200_000), 'leftovers');
    expect(later).to.include({ severity: 'warn' });
    expect(later.message).to.include('1 files of killed processes');
    mkdirSync(join(root, 'work', `w-alive.${process.pid}`), { recursive: true });
    expect(await only(fileChecks(root), 'scratch')).to.include({ severity: 'pass' });
    mkdirSync(join(root, 'work', `w-dead.${deadPid()}`));
    expect((await only(fileChecks(root), 'scratch')).message)
      .to.include('1 scratch directory of')
      .and.include('w-dead');
    writeFileSync(join(root, 'work', `run-${deadPid()}.log`), 'it died');
    expect((await only(fileChecks(root), 'scratch')).message).to.not.include('log');
    const { message } = await only(fileChecks(root, Date.now() + 8 * 86_400_000), 'scratch');
    expect(message).to.include('1 scratch directory and 1 old log of dead workers');
  });

  it('show which secrets jobs may name; fail if an open job needs another, and warn if a pattern matches too much', async () => {
    const { platform } = place;
    const yaml = STEPS.replace('run: [cat]', 'run: [cat], secrets: { TOKEN: "env:API_KEY" }');
    const look = (allowed: readonly string[] | null, open = NO_JOB) =>
      secretsCheck({ ...platform, workplace: OTHER_MACHINES, allowedSecrets: () => allowed }, open);
    expect(look(null)).to.include({ severity: 'pass' });
    expect(look([])).to.include({ severity: 'pass', message: 'jobs may refer to no env: and no file:' });
    expect(look(['ssm:/a', 'env:DB_*', 'file:/run/secrets/*', 'env:AWS_SECRET_ACCESS_KEY'])).to.include({
      severity: 'pass',
      message: 'jobs may refer to env:DB_*, file:/run/secrets/*, env:AWS_SECRET_ACCESS_KEY',
    });
    const tooWide = [
      ['env:*', 'lets every job read env:AWS_SECRET_ACCESS_KEY'],
      ['env:*_TOKEN', 'lets every job read env:AWS_SESSION_TOKEN'],
      ['file:/etc/*', 'lets every job read file:/etc/shadow'],
      ['file:/*/*/.ssh/*', 'lets every job read file:/home/me/.ssh/id_ed25519'],
      ['file:/proc/*/environ', 'lets every job read file:/proc/self/environ'],
      ['file:/tmp/token', 'every user can write to'],
    ];
    for (const [pattern = '', reason = ''] of tooWide) {
      const found = look(['env:DB_*', pattern]);
      expect(found, pattern).to.include({ severity: 'warn' });
      expect(found.message).to.include(`"${pattern}"`).and.include(reason);
      expect(found.fix).to.include('infra up');
    }
    const view = await putJob(platform, [{ name: 'a.csv' }], { yaml });
    const { record } = view;
    await platform.store.put(`open/${record.job}.0`, '{"format":1}');
    const open = await readOpenJobs(platform);
    expect(look(['env:API_*'], open)).to.include({ severity: 'pass' });
    expect(look(null, open)).to.include({ severity: 'pass' });
    const found = look([], open);
    expect(found).to.include({ severity: 'fail' });
    expect(found.message).to.include(
      `${record.job} needs env:API_KEY (steps.price.secrets.TOKEN), but the profile allows none`,
    );
    expect(found.fix).to.include('"allowSecrets": ["env:API_KEY"]').and.include(`batchctl resume ${record.job}`);
    expect(look(['env:DB_*'], open).message).to.include('the profile allows env:DB_*');
    expect(await only(gridChecks({ ...platform, allowedSecrets: () => [] }), 'secrets')).to.include({
      severity: 'fail',
    });
    // The job counts as a retry changed it, not as it was submitted.
    const overrides = { steps: { price: { secrets: { TOKEN: 'ssm:/api-key' } } } };
    await append(platform, view, () => retryOf(1, {}, { overrides }));
    expect(look([], await readOpenJobs(platform))).to.include({ severity: 'pass' });
  });

  it('fail for a Node that is too old', async () => {
    const machine = { env: {}, tz: null, platform: 'linux' } as const;
    for (const [nodeVersion, status] of [
      ['18.20.1', 'fail'],
      ['20.18.3', 'fail'],
      ['20.19.0', 'pass'],
      ['22.1.0', 'pass'],
    ] as const) {
      expect(await only(machineChecks({ ...machine, nodeVersion }), 'node'), nodeVersion).to.include({
        severity: status,
      });
    }
  });
});
