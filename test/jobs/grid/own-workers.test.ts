// Protects: batchctl run says why one of its own workers ended, and where its log is.
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadConfig } from '../../../src/config/load-config.ts';
import { complaintIn, startOwnWorkers } from '../../../src/platform/own-workers.ts';
import { until } from '../../support/until.ts';
import { openPlace } from '../published-job.ts';

describe('the workers of a run', () => {
  it('report why one of them ended, and keep the log that the report names', async () => {
    const place = await openPlace();
    try {
      const { directory } = place;
      const config = await loadConfig({ cwd: directory, env: { HOME: directory }, flags: { profile: 'local' } });
      const told: string[] = [];
      const workers = await startOwnWorkers(config, place.platform, {
        ...{ cwd: directory, groups: ['default'], slots: 1, onTrouble: (what: string) => told.push(what) },
        env: () => ({ PATH: process.env.PATH, NODE_OPTIONS: `--require ${directory}/none.cjs` }),
      });
      try {
        await until('a worker to end', () => told.length > 0);
      } finally {
        await workers.drain();
      }
      const text = told[0] ?? '';
      expect(text).to.match(/^worker w-\w+ ended \(exit 1\): Cannot find module .*none\.cjs'; its log: /);
      const log = text.slice(text.indexOf('its log: ') + 'its log: '.length);
      expect(existsSync(log)).to.equal(true);
      expect(readFileSync(log, 'utf8')).to.include('none.cjs');
    } finally {
      await place.end();
    }
  });

  it('are explained by their last warning, or else by their last error', () => {
    const warned = [
      '2026-11-26T15:38:26.578Z warning: x/enc/8 is returned: found none',
      '2026-11-26T15:38:26.664Z worker w-vrk7zl4osf leaves: 0 done, 0 failed for good',
      'error: the store rejected 4 attempts in a row; the log shows why',
    ];
    expect(complaintIn(warned.join('\n'))).to.equal('x/enc/8 is returned: found none');
    expect(complaintIn('error: no such group\nhint: make it\n')).to.equal('no such group');
    expect(complaintIn('worker w-a starts\n')).to.equal(null);
  });
});
