// Protects: batchctl uses the time zone of the machine, and warns if TZ is not a zone.

import { expect } from 'chai';
import { machineZone } from '../../src/lib/zone.ts';
import { forSuite } from '../support/fixture.ts';
import { rangeJobFile } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';

describe("this machine's zone", () => {
  const workspace = forSuite(() => Workspace.withLongLeases());
  before(async () => {
    workspace.write('job.json', rangeJobFile(2, 'cat'));
    await workspace.submit('--finish-by', '2099-11-30T06:00Z');
  });

  const warnings = (stderr: string): readonly string[] =>
    stderr.split('\n').filter((line) => line.startsWith('warning:'));

  it('is UTC with one warning for a TZ that is not a zone', async () => {
    const { code, stdout, stderr } = await workspace.run(['history', 'last'], { TZ: 'Mars/Olympus' });
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include('UTC');
    expect(warnings(stderr)).to.deep.equal([
      'warning: TZ is "Mars/Olympus", which is not a known time zone; times are read and shown in UTC',
    ]);
    const berlin = await workspace.run(['history', 'last', '--tz', 'Europe/Berlin'], { TZ: 'Mars/Olympus' });
    expect(warnings(berlin.stderr)).to.deep.equal([]);
  });

  it('follows TZ in POSIX forms, without a warning', async () => {
    for (const [tz, shown] of [
      ['', 'UTC'],
      ['UTC0', 'UTC'],
      [':Asia/Tokyo', 'GMT+9'],
      ['Asia/Tokyo', 'GMT+9'],
    ] as const) {
      const { stdout, stderr } = await workspace.run(['history', 'last'], { TZ: tz });
      expect(stdout, tz).to.include(shown);
      expect(warnings(stderr), tz).to.deep.equal([]);
    }
  });

  it('has a name if TZ is not set', () => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    expect(machineZone(undefined)).to.deep.equal({ zone, understood: true });
  });
});
