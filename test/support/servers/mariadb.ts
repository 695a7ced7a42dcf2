import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { installed } from '../run/lacking.ts';
import { accountOf, directoryOf, give, run } from './account.ts';
import { makeCertificates } from './certificates.ts';
import { type DatabaseServer, endServer, freshData, TABLES } from './database-server.ts';
import { freePort, type Running, startProgram } from './program.ts';

const PASSWORD = 'p@ss:w/rd?';

/** For a suite's `before` hook: a new MariaDB, for the MySQL dialect. */
export async function startMariadb(): Promise<DatabaseServer> {
  const command = installed('mariadb-server');
  const account = accountOf('mysql');
  const directory = directoryOf(account, 'batchctl-mariadb-');
  const [data, socket] = [join(directory, 'data'), join(directory, 'socket')];
  await freshData('mariadb', account, data, (at) =>
    run(
      'mariadb-install-db',
      ['--no-defaults', `--datadir=${at}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
      account,
    ),
  );
  const certificates = await makeCertificates(directory, account);
  const port = await freePort();
  const init = join(directory, 'init.sql');
  writeFileSync(
    init,
    `create database if not exists ledger;
create user if not exists 'batchctl'@'%' identified by '${PASSWORD}';
grant all on ledger.* to 'batchctl'@'%';
`,
  );
  give(account, init);
  const args = [
    ...['--no-defaults', `--datadir=${data}`, `--port=${port}`, '--bind-address=127.0.0.1', `--socket=${socket}`],
    ...[`--init-file=${init}`, '--skip-name-resolve', '--innodb-flush-log-at-trx-commit=0', '--skip-log-bin'],
    ...[`--ssl-cert=${certificates.cert}`, `--ssl-key=${certificates.key}`, `--ssl-ca=${certificates.ca}`],
  ];
  const inDatabase =
    (database: string): DatabaseServer['admin'] =>
    async (...statements) => {
      const connection = await createConnection({ socketPath: socket, user: 'root', database });
      try {
        let rows: readonly Record<string, unknown>[] = [];
        for (const statement of statements) [rows] = await connection.query<RowDataPacket[]>(statement);
        return rows;
      } finally {
        await connection.end();
      }
    };
  const admin = inDatabase('mysql');
  const tables = inDatabase('ledger');
  const start = (): Promise<Running> =>
    startProgram({
      ...{ command, args, cwd: directory, ...account },
      ready: async () => (await admin("select 1 from mysql.user where user = 'batchctl'")).length === 1,
    });
  let running = await start();
  return {
    ...{ kind: 'mysql', port, password: PASSWORD, admin },
    ...{ ca: certificates.ca, otherCa: certificates.otherCa },
    url: (host = '127.0.0.1') => `mysql://batchctl@${host}:${port}/ledger`,
    tables,
    asReader: async (use) => {
      await admin(`create user 'reader'@'%' identified by '${PASSWORD}'`, "grant select on ledger.* to 'reader'@'%'");
      await use(`mysql://reader@127.0.0.1:${port}/ledger`).finally(() => admin("drop user 'reader'@'%'"));
    },
    encrypted: async () => {
      // It shows no session's own encryption to others; none of this suite's others had any.
      const [row] = await admin("show global status like 'Ssl_finished_accepts'");
      return Number(row?.Value) > 0;
    },
    cutAll: async () => {
      const sessions = await admin("select id from information_schema.processlist where user = 'batchctl'");
      await admin(...sessions.map(({ id }) => `kill ${String(id)}`));
    },
    readOnlySessions: async () => {
      await admin("set global init_connect = 'set session transaction read only'");
      return { end: async () => void (await admin("set global init_connect = ''")) };
    },
    deadlocks: async () => {
      const [row] = await admin("show global status like 'Innodb_deadlocks'");
      return Number(row?.Value);
    },
    empty: async () => {
      const there = await admin("select 1 from information_schema.tables where table_name = 'workers'");
      if (there.length > 0) await admin(...TABLES.map((table) => `delete from ledger.${table}`));
    },
    halt: async () => {
      await endServer(running, 'SIGTERM');
      return async () => {
        running = await start();
      };
    },
    stop: async () => {
      await endServer(running, 'SIGTERM');
      rmSync(directory, { recursive: true });
    },
  };
}
