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
import { type LookUpPlan, onConflict, type SqlDialect } from './dialect.ts';
import { NoAnswerError, openServerConnection, type ServerConnection, ServerDriver } from './server-driver.ts';
import { codeOf, networkTrouble, type ServerTrouble, translateTrouble } from './server-errors.ts';
import {
  CONNECT_MS,
  connectWithPassword,
  parseServerUrl,
  readAuthority,
  SERVER_CHUNKS,
  type ServerAddress,
  type ServerOptions,
} from './server-options.ts';
import type { Tables } from './tables.ts';

/** SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html), complete or by class. */
const TROUBLES: Readonly<Record<string, ServerTrouble>> = {
  // serialization_failure, deadlock_detected, lock_not_available, query_canceled, unique_violation (a twin was faster)
  '40001': 'busy',
  '40P01': 'busy',
  '55P03': 'busy',
  '57014': 'busy',
  '23505': 'busy',
  // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections, idle_in_transaction_session_timeout
  '57P01': 'lost',
  '57P02': 'lost',
  '57P03': 'lost',
  '53300': 'lost',
  '25P03': 'lost',
  '08': 'lost',
  // read_only_sql_transaction: after a failover this connection is to a reader
  '25006': 'lost',
  '28P01': 'password',
  '28': 'password',
  '42501': 'rights',
  '3D000': 'database',
  '3F000': 'database',
  '53100': 'full',
  XX001: 'corrupt',
  XX002: 'corrupt',
};

/** Errors of the driver without a code. */
const MESSAGE_TROUBLES: readonly (readonly [RegExp, ServerTrouble])[] = [
  [/^(Connection terminated|timeout expired|Client (has|was) )/, 'lost'],
  [/^SASL: .*password/, 'password'],
  [/SSL connection/, 'tls'],
];

function postgresTrouble(error: unknown): ServerTrouble {
  if (error instanceof NoAnswerError) return 'lost';
  const code = codeOf(error);
  const known = TROUBLES[code] ?? TROUBLES[code.slice(0, 2)] ?? networkTrouble(code);
  if (known !== undefined) return known;
  const message = error instanceof Error ? error.message : '';
  return MESSAGE_TROUBLES.find(([pattern]) => pattern.test(message))?.[1] ?? 'other';
}

/** One round trip that changes no session state, so that a proxy in between may share connections. */
const BEGIN = `begin isolation level read committed; set local statement_timeout = '30s'; set local lock_timeout = '5s';
set local idle_in_transaction_session_timeout = '30s'`;
/** The first of the two numbers of an advisory lock: 'batc'. The second is the hash of the locked name. */
const LOCK_CLASS = 0x62617463;
const INT8 = 20;

/** PostgreSQL 12 or newer, RDS, Aurora; through RDS Proxy too, because no state outlives a transaction. */
export function postgresDialect(options: ServerOptions): SqlDialect {
  const address = parseServerUrl(options.url, 'postgres', typeof options.ca === 'string');
  const name = `PostgreSQL ${address.host}:${address.port}/${address.database}`;
  const names = { name, address, passwordFrom: options.password?.from };
  const { connections } = options;
  const isLost = (error: unknown): boolean => postgresTrouble(error) === 'lost';
  const isRefusal = (error: unknown): boolean => postgresTrouble(error) === 'password';
  return {
    name,
    chunks: SERVER_CHUNKS,
    locks: { job: lockJob },
    connect: async () => ({
      createAdapter: () => new PostgresAdapter(),
      createDriver: () =>
        new ServerDriver({
          connect: () =>
            connectWithPassword(options, address, isRefusal, (password) => connect(options, address, password)),
          connections,
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

/** Text is compared by its bytes, as everywhere else, whatever the database's locale. */
class ByteOrderCompiler extends PostgresQueryCompiler {
  protected override visitDataType(node: DataTypeNode): void {
    super.visitDataType(node);
    if (/^(varchar|text)/.test(node.dataType)) this.append(' collate "C"');
  }
}

/**
 * One seek in the key per task. With `task in (...)` the planner takes a step for a handful of rows until a new table
 * has statistics, and then reads the step to its end each time.
 */
function lookUp({ table, columns, size, locks }: LookUpPlan): RawBuilder<unknown> {
  const list = sql.join(Array.from({ length: size }, () => sql.value(0)));
  const names = sql.join(columns.map((column) => sql.ref(column)));
  const fence = locks ? sql`for update` : sql`offset 0`;
  return sql`select found.* from unnest(array[${list}]::integer[]) as wanted (number), lateral (select ${names}
    from ${sql.table(table)} where task = wanted.number and job = ${''} and step = ${''} ${fence}) as found`;
}

async function connect(
  options: ServerOptions,
  { host, port, user, database, tls }: ServerAddress,
  password: string | undefined,
): Promise<ServerConnection> {
  const ca = await readAuthority(options.ca);
  const client = new Client({
    host,
    port,
    user,
    database,
    application_name: 'batchctl',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    password,
    ssl: tls ? { rejectUnauthorized: true, ...(ca !== undefined && { ca }) } : false,
    types: {
      // Sums and instants are exact up to 2^53. As text they would be concatenated instead of added.
      getTypeParser: (type, format) => (Number(type) === INT8 ? Number : types.getTypeParser(type, format)),
    },
  });
  return openServerConnection(client, {
    greet: () => client.connect(),
    query: async (text, parameters) => {
      // Without parameters the text is sent as it is, so it may hold several statements.
      const result =
        parameters.length === 0 ? await client.query(text) : await client.query(text, parameters.map(withoutNul));
      return result.rows ?? [];
    },
    end: () => client.end(),
    destroy: () => client.connection.stream.destroy(),
  });
}

/** PostgreSQL text can't contain NUL; one in a command's last error line would fail every flush that includes it. */
function withoutNul(value: unknown): unknown {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\u{fffd}') : value;
}

async function lockJob(transaction: Transaction<Tables>, job: string, how: 'shared' | 'alone'): Promise<void> {
  const lock = sql.raw(how === 'shared' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock');
  await sql`select ${lock}(${sql.lit(LOCK_CLASS)}, hashtext(${job}))`.execute(transaction);
}

/** Tables are created in transactions: a killed migration leaves nothing behind. */
async function migrateAlone(db: Kysely<Tables>, work: (db: Kysely<Tables>) => Promise<void>): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`select pg_advisory_xact_lock(${sql.lit(LOCK_CLASS)}, 0)`.execute(transaction);
    await work(transaction);
  });
}
