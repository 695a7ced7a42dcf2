import { NoAnswerError } from './server-driver.ts';
import { codeOf, networkTrouble, type ServerTrouble } from './server-errors.ts';

/** By number, since MySQL and MariaDB name some of them differently (https://mariadb.com/kb/en/mariadb-error-codes/). */
const TROUBLES: ReadonlyMap<number, ServerTrouble> = new Map([
  // lock wait timeout, deadlock, duplicate key (a twin was faster), statement or execution time over
  ...numbers('busy', 1205, 1213, 1062, 1969, 3024, 1317),
  // shutdown, too many connections (of all, of this user), connection killed, gone away, lost
  ...numbers('lost', 1053, 1040, 1203, 1226, 1927, 1077, 1079, 1080, 3169, 4031, 2006, 2013, 1158, 1159, 1160, 1161),
  // --read-only, read-only mode, read-only transaction: a failover made a reader of the server this connection is at
  ...numbers('lost', 1290, 1836, 1792),
  ...numbers('password', 1045, 1698, 1251, 1275, 1130, 3118, 3159, 4151),
  ...numbers('rights', 1044, 1142, 1143, 1227, 1370),
  ...numbers('database', 1049),
  ...numbers('full', 1021, 1114, 1041, 3019),
  ...numbers('corrupt', 126, 127, 144, 145, 1034, 1035, 1194, 1195, 1712, 1877),
]);

/** Errors of the driver itself. */
const DRIVER: Readonly<Record<string, ServerTrouble>> = {
  ...{ PROTOCOL_CONNECTION_LOST: 'lost', PROTOCOL_SEQUENCE_TIMEOUT: 'lost', HANDSHAKE_UNKNOWN_ERROR: 'lost' },
  ...{ HANDSHAKE_NO_SSL_SUPPORT: 'tls', HANDSHAKE_SSL_ERROR: 'tls' },
  ...{ MYSQL_CLEAR_PASSWORD_NOT_ENABLED: 'password', AUTH_SWITCH_PLUGIN_ERROR: 'password' },
};

/** What is there already: a table, a column, an index. */
const PRESENT = new Set([1050, 1060, 1061]);
const NO_TABLE = 1146;

export function mysqlTrouble(error: unknown): ServerTrouble {
  if (error instanceof NoAnswerError) return 'lost';
  const code = codeOf(error);
  const known = DRIVER[code] ?? TROUBLES.get(numberOf(error)) ?? networkTrouble(code);
  if (known !== undefined) return known;
  return error instanceof Error && /closed state|connection is in closed/i.test(error.message) ? 'lost' : 'other';
}

export function isPresent(error: unknown): boolean {
  return PRESENT.has(numberOf(error));
}

export function isMissingTable(error: unknown): boolean {
  return numberOf(error) === NO_TABLE;
}

function numberOf(error: unknown): number {
  return error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
}

function numbers(trouble: ServerTrouble, ...codes: readonly number[]): (readonly [number, ServerTrouble])[] {
  return codes.map((code) => [code, trouble] as const);
}
