import {
  type CreateTableBuilder,
  type DataTypeNode,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  type RawBuilder,
  sql,
} from 'kysely';
import { type ConnectionOptions, createConnection } from 'mysql2/promise';
import { BatchctlError } from '../../errors.ts';
import { farewell, type ServerConnection } from './connection-pool.ts';
import type { SqlDialect } from './dialect.ts';
import { lookUp } from './look-up.ts';
import { isMissingTable, isPresent, mysqlTrouble } from './mysql-errors.ts';
import { lockJob, migrateAlone } from './mysql-locks.ts';
import { ServerDriver } from './server-driver.ts';
import { translateTrouble } from './server-errors.ts';
import { CONNECT_MS, readAuthority, SERVER_CHUNKS, type ServerOptions } from './server-options.ts';
import { isAddress, parseServerUrl, type ServerAddress } from './server-url.ts';
import type { UpsertPlan } from './upsert.ts';

/**
 * What a session begins with. The default, `repeatable read`, reads old news after a lock was waited for, and locks the
 * gaps between rows. The mode is stated since how text is escaped depends on it.
 */
const SESSION = [
  'set session transaction isolation level read committed',
  "set session sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 5",
] as const;

/** MySQL 8 or MariaDB 10.5, RDS, Aurora. */
export function mysqlDialect(options: ServerOptions): SqlDialect {
  const address = parseServerUrl(options.url, 'mysql', typeof options.ca === 'string');
  const name = `MySQL ${address.host}:${address.port}/${address.database}`;
  const names = { name, address, passwordFrom: options.password?.from };
  const isLost = (error: unknown): boolean => mysqlTrouble(error) === 'lost';
  return {
    name,
    chunks: SERVER_CHUNKS,
    locks: { job: lockJob },
    connect: async () => ({
      createAdapter: () => new MysqlAdapter(),
      createDriver: () =>
        new ServerDriver({
          connect: () => connect(options, address),
          connections: options.connections,
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
        if (!isPresent(error)) throw error;
      });
    },
    isMissingTable,
    isBusy: (error) => mysqlTrouble(error) === 'busy',
    isLost,
    translate: (error) => translateTrouble(names, mysqlTrouble(error), error),
  };
}

/** MySQL's `text` ends at 64 KiB: a job of many steps is longer. */
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

/** `values(column)` is the older word for the row that was to be inserted; MariaDB doesn't know the newer one. */
function onConflict({ columns, keys, adds }: UpsertPlan): RawBuilder<unknown> {
  const sets = columns
    .filter((column) => !keys.includes(column))
    .map((column) => {
      const ref = sql.ref(column);
      return adds?.includes(column) ? sql`${ref} = ${ref} + values(${ref})` : sql`${ref} = values(${ref})`;
    });
  return sql`on duplicate key update ${sql.join(sets)}`;
}

async function connect(options: ServerOptions, address: ServerAddress): Promise<ServerConnection> {
  const { host, port, user, database } = address;
  const password = await options.password?.get(address);
  const connection = await createConnection({
    ...{ host, port, user, database, charset: 'utf8mb4', timezone: 'Z' },
    ...{ connectTimeout: CONNECT_MS, enableKeepAlive: true, stringifyObjects: true },
    ...(password !== undefined && { password }),
    ...(address.tls && (await tlsOptions(options, host))),
  });
  let alive = true;
  const gone = (): void => {
    alive = false;
  };
  connection.on('error', gone);
  connection.on('end', gone);
  const cut = (): void => {
    gone();
    connection.destroy();
  };
  try {
    for (const statement of SESSION) await connection.query(statement);
  } catch (error) {
    cut();
    throw error;
  }
  return {
    query: async (text, parameters) => {
      const [rows] = await connection.query(text, [...parameters]);
      return Array.isArray(rows) ? rows : [];
    },
    isAlive: () => alive,
    end: () => farewell(() => connection.end(), cut),
    destroy: cut,
  };
}

/** The driver compares the certificate with names only. An IAM token goes as it is, so only to a server that proved its name. */
async function tlsOptions({ ca: file }: ServerOptions, host: string): Promise<ConnectionOptions> {
  if (isAddress(host)) {
    throw new BatchctlError('config', `expected a host's name in ledger.url, to check its certificate, found ${host}`, {
      hint: 'write the name that the certificate of the database has',
    });
  }
  const ca = await readAuthority(file);
  const ssl = { rejectUnauthorized: true, verifyIdentity: true, ...(ca !== undefined && { ca }) };
  return { ssl, enableCleartextPlugin: true };
}
