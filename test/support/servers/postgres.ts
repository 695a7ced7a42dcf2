import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { installed } from '../run/lacking.ts';
import { accountOf, directoryOf, give, run } from './account.ts';
import { makeCertificates } from './certificates.ts';
import { type DatabaseServer, endServer, freshData, TABLES } from './database-server.ts';
import { freePort, type Running, startProgram } from './program.ts';

const PASSWORD = 'p@ss:w/rd?';

/** For a suite's `before` hook: a new cluster, whose database sorts text as English does. */
export async function startPostgres(): Promise<DatabaseServer> {
  const command = installed('postgresql');
  const account = accountOf('postgres');
  const directory = directoryOf(account, 'batchctl-postgres-');
  const data = join(directory, 'data');
  await freshData('postgres', account, data, (at) => {
    const secret = `${at}.secret`;
    writeFileSync(secret, PASSWORD);
    give(account, secret);
    run(
      join(command, '../initdb'),
      [
        ...['-D', at, '--no-sync', '-U', 'admin', '-A', 'scram-sha-256', '--pwfile', secret, '-E', 'UTF8'],
        ...['--locale=C', '--locale-provider=icu', '--icu-locale=en-US'],
      ],
      account,
    );
  });
  const certificates = await makeCertificates(directory, account);
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: directory,
    ...{ fsync: 'off', ssl: 'on', ssl_cert_file: certificates.cert, ssl_key_file: certificates.key },
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const as =
    (user: string, database: string): DatabaseServer['admin'] =>
    (...statements) =>
      within(new Client({ host: '127.0.0.1', port, user, password: PASSWORD, database }), statements);
  const admin = as('admin', 'postgres');
  const tables = as('batchctl', 'ledger');
  const start = (): Promise<Running> =>
    startProgram({
      ...{ command, args: ['-D', data, '-p', String(port), ...args], cwd: directory, ...account },
      ready: async () => (await admin('select 1')).length === 1,
    });
  let running = await start();
  await admin(`create role batchctl login password '${PASSWORD}'`, 'create database ledger owner batchctl');
  return {
    ...{ kind: 'postgres', port, password: PASSWORD, admin },
    ...{ ca: certificates.ca, otherCa: certificates.otherCa },
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
    halt: async () => {
      await endServer(running, 'SIGINT');
      return async () => {
        running = await start();
      };
    },
    stop: async () => {
      await endServer(running, 'SIGINT');
      rmSync(directory, { recursive: true });
    },
  };
}

async function within(client: Client, statements: readonly string[]): Promise<readonly Record<string, unknown>[]> {
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
