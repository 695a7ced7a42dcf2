// The local queue and the ledger alone: sends, claims, records and acknowledges tasks that do nothing. `node
// bench/queue-ledger.bench.mjs [--small]`. The peer is the minimum for a durable queue in the same SQLite: one claim
// and one completion per job, each in its own transaction, and no ledger. BENCH_OTHER_NODE=PATH compares with another
// Node, whose SQLite may differ: better-sqlite3's on Node 20, otherwise Node's own.
import { execFileSync } from 'node:child_process';
import { detail, inTurns, rateText, report, SMALL, workspace } from './measure.mjs';
import { makeProbe, source } from './probe.mjs';

const TASKS = SMALL ? 5_000 : 100_000;

const OURS = `
import { openSqliteQueue } from '${source('adapters/local/sqlite-queue.ts')}';
import { openSqlLedger } from '${source('adapters/sql/sql-ledger.ts')}';
import { event } from '${source('../test/contracts/ledger-events.ts')}';
import { encodeMessage } from '${source('model/message.ts')}';
const [root, count] = [process.argv[2], Number(process.argv[3])];
const queue = await openSqliteQueue({ root, group: 'default', holder: 'w-bench' });
const ledger = openSqlLedger({ dialect: 'sqlite', file: root + '/ledger.db', durability: 'process', writer: 'w-bench' });
await ledger.open();
const job = 'bench-20260101-0000-aaaaa';
const body = (task) => encodeMessage({ job, step: 'work', task, round: 0 });
const sending = performance.now();
for (let from = 0; from < count; from += 1000) {
  await queue.send(Array.from({ length: Math.min(1000, count - from) }, (_, at) => ({ body: body(from + at), tenant: job })));
}
const sent = performance.now();
const fields = { job, worker: 'w-bench', waitSeconds: 0.1, bytesIn: 6, bytesOut: 0 };
let done = 0;
for (;;) {
  const deliveries = await queue.receive({ max: 256, waitSeconds: 0 });
  if (deliveries.length === 0) break;
  await ledger.record(deliveries.map((delivery) => event('done', JSON.parse(delivery.body).task, fields)));
  await queue.ack(deliveries.map(({ receipt }) => receipt));
  done += deliveries.length;
}
const ended = performance.now();
const counts = await ledger.counts(job);
await queue.close();
await ledger.close();
if (done !== count || counts[0]?.done !== count) throw new Error('done ' + done + ', counted ' + counts[0]?.done);
console.log(JSON.stringify({ sent: (count / (sent - sending)) * 1000, rate: (count / (ended - sent)) * 1000 }));
`;

const bare = await makeProbe(
  'queue-bare-probe',
  `
import { openSqlite } from '${source('lib/sqlite.ts')}';
const [root, count] = [process.argv[2], Number(process.argv[3])];
const db = openSqlite(root + '/bare.db', { busyMs: 0 });
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
db.exec('create table jobs (id integer primary key, body text, taken integer)');
db.exec('create index waiting on jobs (id) where taken is null');
const insert = db.prepare('insert into jobs (body) values (?)');
db.transaction('immediate', () => { for (let task = 0; task < count; task += 1) insert.run('task ' + task); });
const claim = db.prepare('update jobs set taken = 1 where id = (select id from jobs where taken is null order by id limit 1) returning id');
const complete = db.prepare('delete from jobs where id = ?');
const began = performance.now();
for (let row = claim.get(); row !== undefined; row = claim.get()) complete.run(row.id);
console.log(JSON.stringify({ rate: (count / (performance.now() - began)) * 1000 }));
`,
);

const other = process.env.BENCH_OTHER_NODE;
const ours = await makeProbe('queue-ledger-probe', OURS);
const elsewhere = other === undefined ? undefined : await makeProbe('queue-ledger-probe', OURS, other);

const found = await inTurns(SMALL ? 1 : 5, {
  ours: () => ours(workspace(), String(TASKS)),
  bare: () => bare(workspace(), String(TASKS)),
  ...(elsewhere && { elsewhere: () => elsewhere(workspace(), String(TASKS)) }),
});
const times = found.ours.rate / found.bare.rate;
report({
  what: `queue and ledger alone, ${TASKS} tasks`,
  ours: `${rateText(found.ours.rate)} (sent at ${rateText(found.ours.sent)})`,
  peer: `bare SQLite queue, no ledger ${rateText(found.bare.rate)}`,
  goal: `30,000/s, or the bare queue's own rate (found ${times.toFixed(2)})`,
  met: found.ours.rate >= 30_000 || times >= 1,
});
if (found.elsewhere !== undefined) {
  const { rate, sent } = found.elsewhere;
  const version = execFileSync(other, ['--version'], { encoding: 'utf8' }).trim();
  detail(`under Node ${version}: ${rateText(rate)} (sent at ${rateText(sent)}), ours is ${process.version}`);
}
