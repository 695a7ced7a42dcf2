// Protects: a manager that is told to stop does not wait for connections that are idle.
import { expect } from 'chai';
import type { LogLine } from '../../src/manager/log.ts';
import { openPlace } from '../jobs/published-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { startTestManager } from './rounds-lab.ts';

describe('a manager that is told to stop', () => {
  const place = forEachTest(openPlace);

  it('does not wait for a connection that is idle', async () => {
    const stop = new AbortController();
    const lines: LogLine[] = [];
    const log = (line: LogLine): void => void lines.push(line);
    const { address, ended } = await startTestManager(place.platform, { signal: stop.signal, log });
    // The client keeps the connection open.
    await (await fetch(`${address}/healthz`)).text();
    // It waits for ten seconds for a connection in use: without timers, for ever.
    const time = new HeldTime();
    try {
      stop.abort();
      await ended;
    } finally {
      time.release();
    }
    expect(lines.at(-1)).to.include({ event: 'leaving' });
  });
});
