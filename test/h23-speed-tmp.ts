import { openSqlLedger } from '../src/adapters/sql/sql-ledger.ts';
import { startPostgres } from './support/servers/postgres.ts';
const suite = { timeout() {}, skip() { throw new Error('no'); } } as never;
const N = 20001, F = 250;
const ev = (task: number, outcome: string) => ({ job: 'bench-1', step: 'work', task, round: 0, attempt: 'a' + task, number: 1, worker: 'w', slot: 0, outcome, waitSeconds: 0.1, startedAt: 1e12, endedAt: outcome === 'done' ? 1e12 + 1 : null, exitCode: 0, reason: null, error: null, cpuSeconds: 0.01, peakMemory: 1e6, bytesIn: 6, bytesOut: 0, counters: {} }) as never;
const s = await startPostgres(suite);
const l = openSqlLedger({ dialect: 'postgres', url: s.url(), password: { from: 't', get: async () => s.password }, writer: 'w' });
await l.open();
let t = performance.now();
for (let i = 0; i < N; i += F) {
  for (const pass of ['running', 'done']) await l.record(Array.from({ length: Math.min(F, N - i) }, (_, n) => ev(i + n, pass)));
  if (i % 4000 === 0) { console.log(i, Math.round(8000/(performance.now()-t)*1000)); t = performance.now(); }
}
for (const q of [`select found.* from unnest(array[1,2,3,4,5,6,7,8,9]) as wanted (number), lateral (select task from tasks where task = wanted.number and job = 'bench-1' and step = 'work' for update) as found`, `select task from tasks where job='bench-1' and step='work' and task > 500 order by task limit 100`, `select task from tasks where job='bench-1' and step='work' and task > 500 and state = 2 order by task limit 100`, `select task from attempts where job='bench-1' and step='work' and task >= 500 and (task > 500 or attempt > 'a') order by task, attempt limit 100`])
  console.log((await s.tables('explain (analyze, buffers) ' + q)).map((r) => String(Object.values(r)[0]).slice(0, 150)).join('\n'));
await l.close(); await s.stop();
