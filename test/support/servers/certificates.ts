import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installed } from '../run/lacking.ts';
import { type Account, give, run } from './account.ts';

export interface Certificates {
  /** The authority, and another one that signed nothing. */
  readonly ca: string;
  readonly otherCa: string;
  /** Of the name `localhost`. */
  readonly cert: string;
  readonly key: string;
}

/** An authority and a certificate of it for `localhost`, made by openssl, which every database server's package brings. */
export function makeCertificates(directory: string, account: Account): Certificates {
  const at = (name: string): string => join(directory, name);
  const openssl = (...args: readonly string[]): void => void run(installed('openssl'), args, {});
  const authority = (name: string): void =>
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)],
    );
  authority('ca');
  authority('other');
  openssl(
    ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost'],
    ...['-keyout', at('server.key'), '-out', at('server.csr')],
  );
  writeFileSync(at('names'), 'subjectAltName=DNS:localhost');
  openssl(
    ...['x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'],
    ...['-days', '2', '-extfile', at('names'), '-out', at('server.pem')],
  );
  for (const name of ['server.key', 'server.pem', 'ca.pem']) {
    chmodSync(at(name), 0o600);
    give(account, at(name));
  }
  chmodSync(at('ca.pem'), 0o644);
  return { ca: at('ca.pem'), otherCa: at('other.pem'), cert: at('server.pem'), key: at('server.key') };
}
