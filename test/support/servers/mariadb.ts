import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { installed } from '../run/lacking.ts';
import { accountOf, changeOwner, run } from './account.ts';
import { type DatabaseServer, flagsOf, PASSWORD, prepareServer, startServer, TABLES } from './database-server.ts';

/** For a suite's `before` hook: a new MariaDB, for the MySQL dialect. */
export async function startMariadb(): Promise<DatabaseServer> {
  const command = installed('mariadb-server');
  const account = accountOf('mysql');
  const { directory, data, certificates, facts } = await prepareServer('mariadb', account, (to) => {
    const flags = flagsOf({ datadir: to, 'auth-root-authentication-method': 'normal' });
    run('mariadb-install-db', ['--no-defaults', '--skip-test-db', ...flags], account);
  });
  const { port } = facts;
  const [socket, init] = [join(directory, 'socket'), join(directory, 'init.sql')];
  writeFileSync(
    init,
    `create database if not exists ledger;
create user if not exists 'batchctl'@'%' identified by '${PASSWORD}';
grant all on ledger.* to 'batchctl'@'%';
`,
  );
  changeOwner(account, init);
  const flags = flagsOf({
    datadir: data,
    port,
    socket,
    'bind-address': '127.0.0.1',
    'init-file': init,
    'innodb-flush-log-at-trx-commit': 0,
    'ssl-cert': certificates.cert,
    'ssl-key': certificates.key,
    'ssl-ca': certificates.ca,
  });
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
  const server = await startServer(
    {
      command,
      args: ['--no-defaults', '--skip-name-resolve', '--skip-log-bin', ...flags],
      cwd: directory,
      ...account,
      ready: async () => (await admin("select 1 from mysql.user where user = 'batchctl'")).length === 1,
    },
    'SIGTERM',
  );
  return {
    ...facts,
    ...server,
    kind: 'mysql',
    admin,
    url: (host = '127.0.0.1') => `mysql://batchctl@${host}:${port}/ledger`,
    tables,
    asReader: async (use) => {
      await admin(`create user 'reader'@'%' identified by '${PASSWORD}'`, "grant select on ledger.* to 'reader'@'%'");
      await use(`mysql://reader@127.0.0.1:${port}/ledger`).finally(() => admin("drop user 'reader'@'%'"));
    },
    encrypted: async () => {
      // A session's encryption is hidden from others, and no other session of a suite is encrypted.
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
  };
}
