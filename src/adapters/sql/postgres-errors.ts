import { NoAnswerError } from './server-driver.ts';
import { codeOf, networkTrouble, type ServerTrouble } from './server-errors.ts';

/** SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html), whole or by class. */
const TROUBLES: Readonly<Record<string, ServerTrouble>> = {
  // serialization_failure, deadlock_detected, lock_not_available, query_canceled, unique_violation (a twin was faster)
  ...{ '40001': 'busy', '40P01': 'busy', '55P03': 'busy', '57014': 'busy', '23505': 'busy' },
  // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections, idle_in_transaction_session_timeout
  ...{ '57P01': 'lost', '57P02': 'lost', '57P03': 'lost', '53300': 'lost', '25P03': 'lost', '08': 'lost' },
  // read_only_sql_transaction: a failover made a reader of the server that this connection is at
  '25006': 'lost',
  ...{ '28P01': 'password', '28': 'password', '42501': 'rights', '3D000': 'database', '3F000': 'database' },
  ...{ '53100': 'full', XX001: 'corrupt', XX002: 'corrupt' },
};

/** Errors of the driver that have no code. */
const SAID: readonly (readonly [RegExp, ServerTrouble])[] = [
  [/^(Connection terminated|timeout expired|Client (has|was) )/, 'lost'],
  [/^SASL: .*password/, 'password'],
  [/SSL connection/, 'tls'],
];

export function postgresTrouble(error: unknown): ServerTrouble {
  if (error instanceof NoAnswerError) return 'lost';
  const code = codeOf(error);
  const known = TROUBLES[code] ?? TROUBLES[code.slice(0, 2)] ?? networkTrouble(code);
  if (known !== undefined) return known;
  const message = error instanceof Error ? error.message : '';
  return SAID.find(([pattern]) => pattern.test(message))?.[1] ?? 'other';
}
