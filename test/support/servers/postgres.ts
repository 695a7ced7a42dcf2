import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { installed } from '../run/lacking.ts';
import { accountOf, changeOwner, run } from './account.ts';
import { type DatabaseServer, flagsOf, PASSWORD, prepareServer, startServer, TABLES } from './database-server.ts';

/** For a suite's `before` hook: a new cluster, whose database sorts text by English rules. */
export async function startPostgres(): Promise<DatabaseServer> {
  const command = installed('postgresql');
  const account = accountOf('postgres');
  const { directory, data, certificates, facts } = await prepareServer('postgres', account, (to) => {
    const secret = `${to}.secret`;
    writeFileSync(secret, PASSWORD);
    changeOwner(account, secret);
    const flags = flagsOf({
      pgdata: to,
      username: 'admin',
      auth: 'scram-sha-256',
      pwfile: secret,
      encoding: 'UTF8',
      locale: 'C',
      'locale-provider': 'icu',
      'icu-locale': 'en-US',
    });
    run(join(command, '../initdb'), ['--no-sync', ...flags], account);
  });
  const { port } = facts;
  const settings = flagsOf({
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: directory,
    fsync: 'off',
    ssl: 'on',
    ssl_cert_file: certificates.cert,
    ssl_key_file: certificates.key,
  });
  const as =
    (user: string, database: string): DatabaseServer['admin'] =>
    (...statements) =>
      runIn(new Client({ host: '127.0.0.1', port, user, password: PASSWORD, database }), statements);
  const admin = as('admin', 'postgres');
  const tables = as('batchctl', 'ledger');
  const server = await startServer(
    {
      command,
      args: ['-D', data, ...settings],
      cwd: directory,
      ...account,
      ready: async () => (await admin('select 1')).length === 1,
    },
    'SIGINT',
  );
  await admin(`create role batchctl login password '${PASSWORD}'`, 'create database ledger owner batchctl');
  return {
    ...facts,
    ...server,
    kind: 'postgres',
    admin,
    url: (host = '127.0.0.1') => `postgres://batchctl@${host}:${port}/ledger`,
    tables,
    asReader: async (use) => {
      await admin(`create role reader login password '${PASSWORD}'`);
      await tables('grant select on all tables in schema public to reader');
      try {
        await use(`postgres://reader@127.0.0.1:${port}/ledger`);
      } finally {
        await tables('revoke all on all tables in schema public from reader');
        await admin('drop role reader');
      }
    },
    encrypted: async () => {
      const sessions = await admin(
        "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'batchctl'",
      );
      return sessions.length > 0 && sessions.every(({ ssl }) => ssl === true);
    },
    cutAll: async () => {
      await admin("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'batchctl'");
    },
    readOnlySessions: async () => {
      await admin('alter role batchctl set default_transaction_read_only = on');
      return { end: async () => void (await admin('alter role batchctl reset default_transaction_read_only')) };
    },
    deadlocks: async () => {
      const [row] = await admin("select deadlocks from pg_stat_database where datname = 'ledger'");
      return Number(row?.deadlocks);
    },
    empty: async () => {
      await tables(
        "do $$ begin if to_regclass('jobs') is not null then " +
          `${TABLES.map((table) => `delete from ${table};`).join(' ')} end if; end $$`,
      );
    },
  };
}

async function runIn(client: Client, statements: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  client.on('error', () => undefined);
  await client.connect();
  try {
    let rows: readonly Record<string, unknown>[] = [];
    for (const statement of statements) ({ rows } = await client.query<Record<string, unknown>>(statement));
    return rows;
  } finally {
    await client.end();
  }
}
