// Protects: a delivery is called changed only where it can be looked at, with the names of what changed.
import { rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { deliveryChanges } from '../../../src/jobs/deliver/compare-delivery.ts';
import { deliver } from '../../../src/jobs/deliver/deliver.ts';
import { append } from '../../../src/jobs/journal.ts';
import { jobKey } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { openPlace, publishSmall, putJob } from '../published-job.ts';

describe('what changed at the place of a delivery', () => {
  const place = forEachTest(openPlace);
  const signal = new AbortController().signal;
  let to: string;
  let view: JobView;
  const found = async (of: JobView = view) => (await deliveryChanges(place.platform, of, signal))?.found ?? null;

  beforeEach(async () => {
    const { platform } = place;
    to = join(place.directory, 'results');
    const yaml = `
name: count
input: { split: { by: range, from: 1, to: 5 } }
steps: [{ name: upper, run: [cat] }]
deliver: { to: ${to}, name: "n{index}" }
`;
    const put = await putJob(platform, [], { job: 'count-20261130-0700-abcde', yaml, parts: 5 });
    const record = { ...put.record, deliverTo: { place: to, host: hostname() } };
    await platform.store.put(jobKey(record.job), JSON.stringify(record));
    for (let n = 0; n < 5; n += 1) await publishSmall({ platform, view: put }, 'upper', n, `${n}\n`);
    const close = { what: 'close', state: 'succeeded', reason: null, round: 0 } as const;
    view = await deliver(platform, (await append(platform, { ...put, record }, () => close)).view);
  });

  it('is named, three files at most', async () => {
    expect(await found()).to.equal(null);
    const lines: (string | null)[] = [];
    for (let n = 0; n < 4; n += 1) {
      writeFileSync(join(to, `n${n + 1}`), 'altered');
      lines.push(await found());
    }
    expect(lines).to.deep.equal([
      '1 of 5 files was removed or altered (n1)',
      '2 of 5 files were removed or altered (n1, n2)',
      '3 of 5 files were removed or altered (n1, n2, n3)',
      '4 of 5 files were removed or altered (n1, n2, n3, ...)',
    ]);
  });

  it('is a manifest or a directory that is gone', async () => {
    rmSync(join(to, '_manifest.json'));
    expect(await found()).to.equal('_manifest.json was removed');
    rmSync(to, { recursive: true });
    expect(await found()).to.equal('all of its files were removed');
  });

  it('is unknown of a directory on another machine, which may lack here', async () => {
    rmSync(to, { recursive: true });
    const elsewhere = { ...view, record: { ...view.record, deliverTo: { place: to, host: `not-${hostname()}` } } };
    expect(await found(elsewhere)).to.equal(null);
  });
});
