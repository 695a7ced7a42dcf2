import {
  type CreateTableBuilder,
  type DataTypeNode,
  type Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  type RawBuilder,
  sql,
  type Transaction,
} from 'kysely';
import { type Connection, type ConnectionOptions, createConnection, type RowDataPacket } from 'mysql2/promise';
import { BatchctlError } from '../../errors.ts';
import { lookUp, type SqlDialect, type UpsertPlan } from './dialect.ts';
import { NoAnswerError, openServerConnection, type ServerConnection, ServerDriver } from './server-driver.ts';
import { codeOf, networkTrouble, type ServerTrouble, translateTrouble } from './server-errors.ts';
import {
  CONNECT_MS,
  connectWithPassword,
  isAddress,
  parseServerUrl,
  readAuthority,
  SERVER_CHUNKS,
  type ServerAddress,
  type ServerOptions,
} from './server-options.ts';
import type { Tables } from './tables.ts';

/** By number, since MySQL and MariaDB name some of them differently (https://mariadb.com/kb/en/mariadb-error-codes/). */
const TROUBLES: ReadonlyMap<number, ServerTrouble> = new Map([
  // lock wait timeout, deadlock, duplicate key (a twin was faster), statement or execution time exceeded
  ...troubleEntries('busy', 1205, 1213, 1062, 1969, 3024, 1317),
  // shutdown, too many connections (of all, of this user)
  ...troubleEntries('lost', 1053, 1077, 1079, 1080, 1040, 1203, 1226),
  // connection killed, idle for too long, gone away, lost, packets not read or written
  ...troubleEntries('lost', 1927, 3169, 4031, 2006, 2013, 1158, 1159, 1160, 1161),
  // --read-only, read-only mode, read-only transaction: after a failover this connection is to a reader
  ...troubleEntries('lost', 1290, 1836, 1792),
  ...troubleEntries('password', 1045, 1698, 1251, 1275, 1130, 3118, 3159, 4151),
  ...troubleEntries('rights', 1044, 1142, 1143, 1227, 1370),
  ...troubleEntries('database', 1049),
  ...troubleEntries('full', 1021, 1114, 1041, 3019),
  ...troubleEntries('corrupt', 126, 127, 144, 145, 1034, 1035, 1194, 1195, 1712, 1877),
]);

/** Errors of the driver itself. */
const DRIVER: Readonly<Record<string, ServerTrouble>> = {
  PROTOCOL_CONNECTION_LOST: 'lost',
  PROTOCOL_SEQUENCE_TIMEOUT: 'lost',
  HANDSHAKE_UNKNOWN_ERROR: 'lost',
  HANDSHAKE_NO_SSL_SUPPORT: 'tls',
  HANDSHAKE_SSL_ERROR: 'tls',
  MYSQL_CLEAR_PASSWORD_NOT_ENABLED: 'password',
  AUTH_SWITCH_PLUGIN_ERROR: 'password',
};

/** The object exists already: a table, a column, an index. */
const EXISTS_CODES = new Set([1050, 1060, 1061]);
const NO_TABLE = 1146;

function mysqlTrouble(error: unknown): ServerTrouble {
  if (error instanceof NoAnswerError) return 'lost';
  const code = codeOf(error);
  const known = DRIVER[code] ?? TROUBLES.get(numberOf(error)) ?? networkTrouble(code);
  if (known !== undefined) return known;
  return error instanceof Error && /closed state|connection is in closed/i.test(error.message) ? 'lost' : 'other';
}

function isAlreadyExistsError(error: unknown): boolean {
  return EXISTS_CODES.has(numberOf(error));
}

function isMissingTable(error: unknown): boolean {
  return numberOf(error) === NO_TABLE;
}

function numberOf(error: unknown): number {
  return error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
}

function troubleEntries(trouble: ServerTrouble, ...codes: readonly number[]): (readonly [number, ServerTrouble])[] {
  return codes.map((code) => [code, trouble] as const);
}

/** How long a process waits for another one's migration, seconds. */
const MIGRATION_WAIT = 10;

/**
 * Locks the job's row. If the job has none, locks the schema's first row instead, which adding the job locks too. MySQL
 * has no advisory locks that end with a transaction or can be shared.
 */
async function lockJob(transaction: Transaction<Tables>, job: string, how: 'shared' | 'alone'): Promise<void> {
  // `for share` is the newer syntax; MariaDB doesn't know it.
  const lock = how === 'shared' ? sql`lock in share mode` : sql`for update`;
  const lockRows = async (rows: RawBuilder<unknown>): Promise<boolean> =>
    (await sql`${rows} ${lock}`.execute(transaction)).rows.length > 0;
  const row = sql`select round from jobs where job = ${job}`;
  if (await lockRows(row)) return;
  await lockRows(sql`select version from ledger_schema where version = 1`);
  // Another writer may have added it before that lock was acquired.
  await lockRows(row);
}

/** MySQL commits each DDL statement, so the lock must belong to the session, not to a transaction. */
async function migrateAlone(db: Kysely<Tables>, work: (db: Kysely<Tables>) => Promise<void>): Promise<void> {
  await db.connection().execute(async (one) => {
    const name = sql`concat('batchctl.', md5(database()))`;
    const { rows } = await sql<{ got: number | null }>`select get_lock(${name}, ${MIGRATION_WAIT}) as got`.execute(one);
    if (rows[0]?.got !== 1) {
      throw Object.assign(new Error('another process migrates the tables'), { errno: 1205 });
    }
    try {
      await work(one);
    } finally {
      // A lost connection has released the lock.
      await sql`select release_lock(${name})`.execute(one).catch(() => undefined);
    }
  });
}

const ISOLATION = 'READ-COMMITTED';
/**
 * Session settings. The default isolation, `repeatable read`, reads stale data after waiting for a lock, and locks the
 * gaps between rows. The SQL mode is set because the escaping of text depends on it. MySQL 8 and newer MariaDBs call
 * the isolation `transaction_isolation`, older ones `tx_isolation`.
 */
const SESSION: Readonly<Record<string, string>> = {
  transaction_isolation: ISOLATION,
  tx_isolation: ISOLATION,
  sql_mode: 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION',
  innodb_lock_wait_timeout: '5',
};

/**
 * Sets only what the server, or a proxy in front of it, doesn't set already: RDS Proxy pins a session that sets a
 * variable, and then can't share its connection (RDS: rds-proxy-pinning).
 */
async function beginSession(connection: Connection): Promise<void> {
  const names = Object.keys(SESSION);
  const [rows] = await connection.query<RowDataPacket[]>('show session variables where variable_name in (?)', [names]);
  const different = rows.flatMap(({ Variable_name: name, Value: is }) => {
    const should = SESSION[name] ?? '';
    if (sorted(is) === sorted(should)) return [];
    return [`${name} = ${/^\d+$/.test(should) ? should : `'${should}'`}`];
  });
  if (different.length > 0) await connection.query(`set session ${different.join(', ')}`);
}

/** The words of a SQL mode are in no order. */
const sorted = (value: string): string => value.split(',').sort().join();

/** MySQL 8 or MariaDB 10.5, RDS, Aurora. */
export function mysqlDialect(options: ServerOptions): SqlDialect {
  const address = parseServerUrl(options.url, 'mysql', typeof options.ca === 'string');
  const name = `MySQL ${address.host}:${address.port}/${address.database}`;
  const names = { name, address, passwordFrom: options.password?.from };
  const { connections } = options;
  const isLost = (error: unknown): boolean => mysqlTrouble(error) === 'lost';
  const isRefusal = (error: unknown): boolean => mysqlTrouble(error) === 'password';
  return {
    name,
    chunks: SERVER_CHUNKS,
    locks: { job: lockJob },
    connect: async () => ({
      createAdapter: () => new MysqlAdapter(),
      createDriver: () =>
        new ServerDriver({
          connect: () =>
            connectWithPassword(options, address, isRefusal, (password) => connect(options, address, password)),
          connections,
          begin: 'start transaction',
          spoils: isLost,
        }),
      createIntrospector: (db) => new MysqlIntrospector(db),
      createQueryCompiler: () => new LongTextCompiler(),
    }),
    onConflict,
    lookUp,
    clustered,
    migrateAlone,
    define: async (statement) => {
      await statement.execute().catch((error: unknown) => {
        if (!isAlreadyExistsError(error)) throw error;
      });
    },
    isMissingTable,
    isBusy: (error) => mysqlTrouble(error) === 'busy',
    isLost,
    translate: (error) => translateTrouble(names, mysqlTrouble(error), error),
  };
}

/** MySQL's `text` is limited to 64 KiB: a job with many steps is longer. */
class LongTextCompiler extends MysqlQueryCompiler {
  protected override visitDataType(node: DataTypeNode): void {
    if (node.dataType === 'text') this.append('mediumtext');
    else super.visitDataType(node);
  }
}

/** Text is compared by its bytes, as everywhere else. */
function clustered<T extends string, C extends string>(table: CreateTableBuilder<T, C>): CreateTableBuilder<T, C> {
  return table.modifyEnd(sql`engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin`);
}

/** `values(column)` is the older syntax for the row to insert; MariaDB doesn't know the newer one. */
function onConflict({ keys, adds }: UpsertPlan, columns: readonly string[]): RawBuilder<unknown> {
  const sets = columns
    .filter((column) => !keys.includes(column))
    .map((column) => {
      const ref = sql.ref(column);
      return adds?.includes(column) ? sql`${ref} = ${ref} + values(${ref})` : sql`${ref} = values(${ref})`;
    });
  return sql`on duplicate key update ${sql.join(sets)}`;
}

async function connect(
  options: ServerOptions,
  address: ServerAddress,
  password: string | undefined,
): Promise<ServerConnection> {
  const { host, port, user, database } = address;
  const connection = await createConnection({
    host,
    port,
    user,
    database,
    charset: 'utf8mb4',
    timezone: 'Z',
    connectTimeout: CONNECT_MS,
    enableKeepAlive: true,
    stringifyObjects: true,
    // By default, the driver would start each session with another SQL mode than the server's.
    flags: ['-IGNORE_SPACE'],
    ...(password !== undefined && { password }),
    ...(address.tls && (await tlsOptions(options, host))),
  });
  return openServerConnection(connection, {
    greet: () => beginSession(connection),
    query: async (text, parameters) => {
      const [rows] = await connection.query(text, [...parameters]);
      return Array.isArray(rows) ? rows : [];
    },
    end: () => connection.end(),
    destroy: () => connection.destroy(),
  });
}

/**
 * The driver compares certificates only with host names, not with addresses. An IAM token is sent in clear inside TLS,
 * so only to a server that proved its name.
 */
async function tlsOptions({ ca: file }: ServerOptions, host: string): Promise<ConnectionOptions> {
  if (isAddress(host)) {
    throw new BatchctlError('config', `expected a host's name in ledger.url, to check its certificate, found ${host}`, {
      hint: "use the name in the database's certificate",
    });
  }
  const ca = await readAuthority(file);
  const ssl = { rejectUnauthorized: true, verifyIdentity: true, ...(ca !== undefined && { ca }) };
  return { ssl, enableCleartextPlugin: true };
}
