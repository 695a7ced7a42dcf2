// The SQL ledger alone: writes starts and ends of tasks, in flushes like those of a busy worker, on each database.
// `node bench/ledger.bench.mjs [--small]`. The peer is the same code on SQLite, without a network or other writers.
// PostgreSQL and MariaDB are new, empty servers on this machine for each run, with fsync off.
import { detail, inTurns, rateText, report, SMALL, workspace } from './measure.mjs';
import { makeProbe, source } from './probe.mjs';

const TASKS = SMALL ? 2_000 : 40_000;
const FLUSH = 250;
const GOAL = 5_000;

const probe = await makeProbe(
  'ledger-probe',
  `
import { openSqlLedger } from '${source('adapters/sql/sql-ledger.ts')}';
import { event } from '${source('../test/contracts/ledger-events.ts')}';
import { startMariadb } from '${source('../test/support/servers/mariadb.ts')}';
import { startPostgres } from '${source('../test/support/servers/postgres.ts')}';
const [kind, root, tasks, flush] = [process.argv[2], process.argv[3], Number(process.argv[4]), Number(process.argv[5])];
const server = kind === 'sqlite' ? null : await (kind === 'mysql' ? startMariadb : startPostgres)();
const ledger = openSqlLedger({
  writer: 'w-bench',
  ...(server === null
    ? { dialect: 'sqlite', file: root + '/ledger.db', durability: 'process' }
    : { dialect: kind, url: server.url(), password: { from: 'a bench', get: async () => server.password } }),
});
await ledger.open();
const job = 'bench-20260101-0000-aaaaa';
const fields = { job, worker: 'w-bench', waitSeconds: 0.1, bytesIn: 6, bytesOut: 0 };
const [began, cpu] = [performance.now(), process.cpuUsage()];
for (let from = 0; from < tasks; from += flush) {
  const flushed = Array.from({ length: Math.min(flush, tasks - from) }, (_, at) => from + at);
  for (const outcome of ['running', 'done']) await ledger.record(flushed.map((task) => event(outcome, task, fields)));
}
const [ended, spent] = [performance.now(), process.cpuUsage(cpu)];
const [counts] = await ledger.counts(job);
await ledger.close();
await server?.stop();
if (counts?.done !== tasks || counts.running !== 0) throw new Error('counted ' + JSON.stringify(counts));
const events = tasks * 2;
console.log(JSON.stringify({ rate: (events / (ended - began)) * 1000, cpu: (spent.user + spent.system) / events }));
`,
);

const measure = (kind) => () => probe(kind, workspace(), String(TASKS), String(FLUSH));
const here = ['postgres', 'mysql'].filter((kind) => probe(kind, workspace(), '1', '1') !== null);
const found = await inTurns(
  SMALL ? 1 : 3,
  Object.fromEntries(['sqlite', ...here].map((kind) => [kind, measure(kind)])),
);
for (const [kind, { cpu }] of Object.entries(found))
  detail(`${kind}: ${cpu.toFixed(0)} µs of this side's CPU an event`);
const { sqlite } = found;
for (const kind of here) {
  const { rate } = found[kind];
  report({
    what: `ledger on ${kind === 'mysql' ? 'MariaDB' : 'PostgreSQL'}, ${TASKS} tasks, flushes of ${FLUSH}`,
    ours: `${rateText(rate)} events`,
    peer: `the same on SQLite ${rateText(sqlite.rate)} (${(rate / sqlite.rate).toFixed(2)} of it)`,
    goal: rateText(GOAL),
    met: rate >= GOAL,
  });
}
