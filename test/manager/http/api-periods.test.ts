// Protects: the grid of periods shows the true state of runs and schedules, and stays small with many jobs.
import { expect } from 'chai';
import type { LedgerJob } from '../../../src/model/ledger/records.ts';
import type { GridBand } from '../../../src/model/period-grid.ts';
import { forEachTest } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { rangeJob } from '../../support/range-job.ts';

const HOUR = 3_600_000;
/** It takes longer than the deadline. */
const JOB = rangeJob('claims', 2, { name: 'one', run: 'sleep 1.5; exit 3', attempts: 1 });

describe("the API's grid of periods", () => {
  const server = forEachTest(() => ApiServer.open());

  async function bands(tz = 'UTC'): Promise<readonly GridBand[]> {
    const { status, json, text } = await server.call('GET', `/periods?tz=${tz}`, undefined, { scope: 'read' });
    expect(status, text).to.equal(200);
    expect(json).to.deep.include({ more: false, troubles: [] });
    return json.bands;
  }

  it('shows a failed run that was late, a running one, and a schedule that never fired', async () => {
    const { workspace } = server;
    workspace.write('job.json', JOB);
    const failed = await workspace.submit('--run-key', 'claims-2026-10', '--finish-by', 'in 1s');
    await workspace.work({}, '--quiet');
    const running = await workspace.submit('--run-key', 'claims-2026-11');
    await workspace.runSuccessfully('schedule', 'add', 'often', 'job.json', '--cron', '* * * * *', '--tz', 'UTC');
    const [days, months] = await bands();
    expect(months?.unit).to.equal('month');
    const [row] = months?.rows ?? [];
    const cells = row?.cells.filter((cell) => cell !== null);
    expect(cells?.map(({ job, state, period }) => ({ job, state, period }))).to.deep.equal([
      { job: running, state: 'running', period: '2026-11' },
      { job: failed, state: 'failed', period: '2026-10' },
    ]);
    expect(cells?.[1]).to.include({ reason: 'failures', late: true });
    expect(cells?.[1]?.finishBy).to.match(/Z$/);
    expect(days?.rows.map(({ name, schedule }) => [name, schedule])).to.deep.equal([['claims', 'often']]);
  });

  it('refuses a time zone that does not exist', async () => {
    const { status, error } = await server.call('GET', '/periods?tz=Mars/Base', undefined, { scope: 'read' });
    expect([status, error.kind]).to.deep.equal([400, 'usage']);
    expect(error.message).to.contain('tz: expected an IANA time zone such as Europe/London, found "Mars/Base"');
  });

  it('is bounded with thousands of jobs', async () => {
    const ledger = await server.platform.ledger();
    const now = Date.now();
    const record = (n: number): LedgerJob => {
      const createdAt = now - n * HOUR;
      const day = new Date(createdAt).toISOString().slice(0, 10);
      return {
        job: `load-${n}-abcde`,
        name: `load-${n % 100}`,
        runKey: `load-${n % 100}-${day}`,
        round: 0,
        state: 'succeeded',
        reason: null,
        createdAt,
        closedAt: createdAt + HOUR,
        createdBy: 'me@here',
        labels: {},
        steps: [{ name: 'one', group: 'default', total: 1 }],
      };
    };
    for (let n = 0; n < 2_100; n += 1) await ledger.recordJob(record(n));
    const { json, text } = await server.call('GET', '/periods', undefined, { scope: 'read' });
    expect(json.more).to.equal(true);
    expect(json.bands.map(({ rows, left }: GridBand) => [rows.length, left])).to.deep.equal([[60, 40]]);
    expect(text.length).to.be.below(300_000);
  });
});
