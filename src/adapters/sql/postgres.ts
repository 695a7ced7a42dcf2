import {
  type DataTypeNode,
  type Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
  sql,
  type Transaction,
} from 'kysely';
import { Client, types } from 'pg';
import { farewell, type ServerConnection } from './connection-pool.ts';
import type { SqlDialect } from './dialect.ts';
import { onConflict } from './on-conflict.ts';
import { postgresTrouble } from './postgres-errors.ts';
import { ServerDriver } from './server-driver.ts';
import { codeOf, translateTrouble } from './server-errors.ts';
import { CONNECT_MS, readAuthority, SERVER_CHUNKS, type ServerOptions } from './server-options.ts';
import { parseServerUrl, type ServerAddress } from './server-url.ts';
import type { Tables } from './tables.ts';
import type { LookUpPlan } from './upsert.ts';

/** One round trip, in a form that asks nothing of the session: so a proxy between may share connections. */
const BEGIN = `begin isolation level read committed; set local statement_timeout = '30s'; set local lock_timeout = '5s';
set local idle_in_transaction_session_timeout = '30s'`;
/** The first of the two numbers of an advisory lock: 'batc'. The second is the hash of what is locked. */
const LOCKS = 0x62617463;
const INT8 = 20;

/** PostgreSQL 12 or newer, RDS, Aurora; through RDS Proxy too, since nothing outlives its transaction. */
export function postgresDialect(options: ServerOptions): SqlDialect {
  const address = parseServerUrl(options.url, 'postgres', typeof options.ca === 'string');
  const name = `PostgreSQL ${address.host}:${address.port}/${address.database}`;
  const names = { name, address, passwordFrom: options.password?.from };
  const isLost = (error: unknown): boolean => postgresTrouble(error) === 'lost';
  return {
    name,
    chunks: SERVER_CHUNKS,
    locks: { job: lockJob },
    connect: async () => ({
      createAdapter: () => new PostgresAdapter(),
      createDriver: () =>
        new ServerDriver({
          connect: () => connect(options, address),
          connections: options.connections,
          begin: BEGIN,
          spoils: isLost,
        }),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new ByteOrderCompiler(),
    }),
    onConflict,
    lookUp,
    clustered: (table) => table,
    migrateAlone,
    define: async (statement) => void (await statement.execute()),
    isMissingTable: (error) => codeOf(error) === '42P01',
    isBusy: (error) => postgresTrouble(error) === 'busy',
    isLost,
    translate: (error) => translateTrouble(names, postgresTrouble(error), error),
  };
}

/** Text is compared by its bytes, as everywhere else, whatever language the database was made for. */
class ByteOrderCompiler extends PostgresQueryCompiler {
  protected override visitDataType(node: DataTypeNode): void {
    super.visitDataType(node);
    if (/^(varchar|text)/.test(node.dataType)) this.append(' collate "C"');
  }
}

/**
 * One seek in the key a task. With `task in (...)` the planner, as long as nobody has counted a young table for it,
 * takes a step for a handful of rows, and reads it to its end each time.
 */
function lookUp({ table, columns, size, locks }: LookUpPlan): RawBuilder<unknown> {
  const list = sql.join(Array.from({ length: size }, () => sql.value(0)));
  const names = sql.join(columns.map((column) => sql.ref(column)));
  const fence = locks ? sql`for update` : sql`offset 0`;
  return sql`select found.* from unnest(array[${list}]::integer[]) as wanted (number), lateral (select ${names}
    from ${sql.table(table)} where task = wanted.number and job = ${''} and step = ${''} ${fence}) as found`;
}

async function connect(options: ServerOptions, address: ServerAddress): Promise<ServerConnection> {
  const { host, port, user, database, tls } = address;
  const ca = await readAuthority(options.ca);
  const client = new Client({
    ...{ host, port, user, database, application_name: 'batchctl' },
    ...{ connectionTimeoutMillis: CONNECT_MS, keepAlive: true },
    password: await options.password?.get(address),
    ssl: tls ? { rejectUnauthorized: true, ...(ca !== undefined && { ca }) } : false,
    types: {
      // Sums and instants are exact up to 2^53; as text they would be joined where they should be added.
      getTypeParser: (type, format) => (Number(type) === INT8 ? Number : types.getTypeParser(type, format)),
    },
  });
  let alive = true;
  const gone = (): void => {
    alive = false;
  };
  client.on('error', gone);
  client.on('end', gone);
  const cut = (): void => {
    gone();
    client.connection.stream.destroy();
  };
  try {
    await client.connect();
  } catch (error) {
    cut();
    throw error;
  }
  return {
    query: async (text, parameters) => {
      // Without parameters it goes as it is, so that it may be several statements.
      const result =
        parameters.length === 0 ? await client.query(text) : await client.query(text, parameters.map(bare));
      return result.rows ?? [];
    },
    isAlive: () => alive,
    end: () => farewell(() => client.end(), cut),
    destroy: cut,
  };
}

/** PostgreSQL keeps no NUL in text, and one in a command's last words would fail every flush that has it. */
function bare(value: unknown): unknown {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\u{fffd}') : value;
}

async function lockJob(transaction: Transaction<Tables>, job: string, how: 'shared' | 'alone'): Promise<void> {
  const lock = sql.raw(how === 'shared' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock');
  await sql`select ${lock}(${sql.lit(LOCKS)}, hashtext(${job}))`.execute(transaction);
}

/** Tables are made in transactions here: a migration that is killed leaves nothing. */
async function migrateAlone(db: Kysely<Tables>, work: (db: Kysely<Tables>) => Promise<void>): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`select pg_advisory_xact_lock(${sql.lit(LOCKS)}, 0)`.execute(transaction);
    await work(transaction);
  });
}
