// Protects: a ledger on MySQL signs in with a token of IAM, and sends it only over TLS.

import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { openAwsLedger } from '../../src/platform/aws-ledger.ts';
import { openClients } from '../support/aws-clients.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { forSuite } from '../support/fixture.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { failsWith } from '../support/rejection.ts';
import { Scratch } from '../support/scratch.ts';
import { type Certificates, makeCertificates } from '../support/servers/certificates.ts';
import { listen } from '../support/servers/listen.ts';

/** Protocol 4.1, TLS, a database at the connection, authentication plugins (MySQL: capabilities flags). */
const CAPABILITIES = 0x1 | 0x8 | 0x200 | 0x800 | 0x2000 | 0x8000 | 0x80000;
const SSL_REQUEST_BYTES = 36;

const packet = (sequence: number, ...parts: readonly Buffer[]): Buffer => {
  const payload = Buffer.concat(parts);
  const head = Buffer.alloc(4);
  head.writeUIntLE(payload.length, 0, 3);
  head[3] = sequence;
  return Buffer.concat([head, payload]);
};

function greeting(): Buffer {
  const capabilities = Buffer.alloc(4);
  capabilities.writeUInt32LE(CAPABILITIES);
  return packet(
    0,
    Buffer.from('\n8.0.40\0\x01\0\0\0abcdefgh\0', 'latin1'),
    capabilities.subarray(0, 2),
    Buffer.from([45, 2, 0]),
    capabilities.subarray(2),
    Buffer.from([21, ...Array<number>(10).fill(0)]),
    Buffer.from('ijklmnopqrst\0mysql_native_password\0'),
  );
}

/** A server like RDS's for a user of IAM: it asks for the password in clear, over TLS. It refuses each. */
async function startServer({ key, cert }: Certificates) {
  const passwords: string[] = [];
  const serve = (socket: Socket): void => {
    socket.on('error', () => undefined);
    socket.write(greeting());
    socket.once('readable', () => {
      socket.read(SSL_REQUEST_BYTES);
      const tls = new TLSSocket(socket, { isServer: true, key: readFileSync(key), cert: readFileSync(cert) });
      tls.on('error', () => undefined);
      tls.once('data', () => {
        tls.write(packet(3, Buffer.from('\xfemysql_clear_password\0', 'latin1')));
        tls.once('data', (answer: Buffer) => {
          passwords.push(answer.subarray(4).toString().replace(/\0$/, ''));
          tls.end(packet(5, Buffer.from('\xff\x15\x04#28000Access denied', 'latin1')));
        });
      });
    });
  };
  return { ...(await listen(createServer(serve))), passwords };
}

describe('a ledger on MySQL with tokens of IAM', () => {
  const scratch = forSuite(() => new Scratch());
  const certificates = forSuite(() => makeCertificates(scratch.directory, {}));
  const server = forSuite(() => startServer(certificates));
  const clients = forSuite(() => openClients({}));

  it('signs the name of host, port and user, and sends the token in clear inside TLS', async () => {
    const url = `mysql://batchctl@localhost:${server.port}/ledger`;
    const profile = await awsProfile({ ledger: { kind: 'mysql', url, iam: true } });
    const { ledger } = profile;
    if (ledger.kind !== 'mysql') throw new Error('it is a ledger on MySQL');
    const error = await failsWith(
      'credentials',
      openAwsLedger({
        profile: { ...profile, ledger: { ...ledger, ca: certificates.ca } },
        clients,
        store: new MemoryStore(),
        writer: 'w1',
        shares: true,
        allowed: async () => undefined,
      }),
    );
    expect(error.hint).to.include('the password came from an IAM token');
    const [token = ''] = server.passwords;
    const signed = new URL(`https://${token}`);
    expect(signed.host).to.equal(`localhost:${server.port}`);
    expect(signed.searchParams.get('DBUser')).to.equal('batchctl');
    expect(signed.searchParams.get('Action')).to.equal('connect');
    expect(signed.searchParams.get('X-Amz-Credential')).to.include('/eu-west-1/rds-db/');
    expect(`${error.message} ${error.hint}`).not.to.include('X-Amz-Signature');
  });
});
