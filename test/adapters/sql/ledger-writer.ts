import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { event } from '../../contracts/ledger-events.ts';

/**
 * `open FILE WRITER` waits for a line on stdin, opens the ledger and records one task; `flood FILE WRITER` records
 * flush after flush until it is killed, and says after each how many tasks it has recorded for certain.
 */
const [mode, file = '', writer = ''] = process.argv.slice(2);
const ledger = openSqlLedger({ dialect: 'sqlite', file, durability: 'process', writer });

if (mode === 'open') {
  process.stdout.write('ready\n');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  process.stdin.destroy();
  await ledger.open();
  await ledger.record([event('done', Number(writer), { attempt: writer })]);
  await ledger.close();
} else {
  await ledger.open();
  for (let first = 0; ; first += 500) {
    const tasks = Array.from({ length: 500 }, (_, n) => first + n);
    const facts = { counters: { sum: '0.1' }, bytesIn: 3, worker: writer };
    await ledger.record(
      tasks.flatMap((task) => [
        event('running', task, facts),
        event(task % 10 === 0 ? 'failedAttempt' : 'done', task, facts),
      ]),
    );
    process.stdout.write(`${first + 500}\n`);
  }
}
