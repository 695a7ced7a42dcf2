import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { type Account, changeOwner } from './account.ts';

export interface Certificates {
  /** The certificate of the authority, and that of another authority, which signed nothing: files. */
  readonly ca: string;
  readonly otherCa: string;
  /** For the name `localhost`. */
  readonly cert: string;
  readonly key: string;
}

/** Makes an authority and its certificate for `localhost`, valid for a day. */
export async function makeCertificates(directory: string, account: Account): Promise<Certificates> {
  const at = (name: string): string => join(directory, name);
  const write = (name: string, text: string, mode: number): void => {
    writeFileSync(at(name), text, { mode });
    changeOwner(account, at(name));
  };
  const day = { keyType: 'ec', algorithm: 'sha256', notAfterDate: new Date(Date.now() + 86_400_000) } as const;
  const authority = (name: string) =>
    generate([{ name: 'commonName', value: name }], {
      ...day,
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      ],
    });
  const [ca, other] = await Promise.all([authority('ca'), authority('other')]);
  const server = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...day,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  });
  write('ca.pem', ca.cert, 0o644);
  write('other.pem', other.cert, 0o644);
  write('server.pem', server.cert, 0o600);
  write('server.key', server.private, 0o600);
  return { ca: at('ca.pem'), otherCa: at('other.pem'), cert: at('server.pem'), key: at('server.key') };
}
