// Protects: S3 accepts the requests and URLs that batchctl signs, and the checksums and chunk sizes of its uploads.

import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { base64Crc, combineCrcs } from '../../../src/adapters/aws/crc32.ts';
import { CHUNK_RULES, chunkLength, chunksOf } from '../../../src/adapters/aws/s3-source.ts';
import { presignedUrl } from '../../../src/adapters/aws/signature.ts';
import { CREDENTIALS } from '../../support/aws-keys.ts';
import { clientsOf, REGION, sdkSigner } from './s3-bench.ts';

const MIB = 1024 * 1024;

describe('signatures, checksums and chunks for S3', () => {
  it("sign a URL like AWS's published example (S3API/sigv4-query-string-auth)", () => {
    const url = presignedUrl({
      method: 'GET',
      url: new URL('https://examplebucket.s3.amazonaws.com/test.txt'),
      region: 'us-east-1',
      seconds: 86_400,
      now: Date.UTC(2013, 4, 24),
      credentials: {
        accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      },
    });
    expect(url).to.equal(
      'https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256' +
        '&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
        '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
        '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    );
  });

  it('sign extra headers and query parameters as the SDK does', async () => {
    const signer = await sdkSigner(clientsOf('http://127.0.0.1:1'), 's3');
    const headers = {
      'content-length': '3',
      'if-none-match': '*',
      'x-amz-meta-sha256': 'ab  c',
      'x-amz-checksum-sha256': 'a/+=',
    };
    const query = { uploadId: 'a/b+c=', partNumber: '7' };
    const [url, now] = [new URL('http://bucket.example:9000/a%20b/c'), Date.UTC(2026, 10, 26)];
    const signing = { region: REGION, seconds: 600, now, credentials: CREDENTIALS };
    const own = presignedUrl({ method: 'PUT', url, headers, query, ...signing });
    const request = {
      method: 'PUT',
      protocol: 'http:',
      hostname: 'bucket.example',
      port: 9_000,
      path: url.pathname,
      query,
      headers: { ...headers, host: url.host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    };
    const signed = await signer.presign(request, {
      expiresIn: 600,
      signingDate: new Date(now),
      signingService: 's3',
      signingRegion: REGION,
      unhoistableHeaders: new Set(Object.keys({ ...headers, 'x-amz-content-sha256': '' })),
      unsignableHeaders: new Set(['x-amz-content-sha256']),
    });
    expect(Object.fromEntries(new URL(own).searchParams)).to.deep.equal({ ...signed.query });
  });

  it('combine the checksums of chunks into that of the whole file', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes, bytes, (one, other) => {
        const whole = crc32(Buffer.concat([one, other]));
        expect(combineCrcs(crc32(one), crc32(other), other.length)).to.equal(whole);
      }),
    );
    const zeros = crc32(Buffer.alloc(8 * MIB));
    expect(combineCrcs(zeros, crc32(Buffer.from('end')), 3)).to.equal(crc32('end', zeros));
    // 600 GiB, for example, whose length in bits exceeds 32 bits.
    const gib = 1024 * MIB;
    const twice = combineCrcs(combineCrcs(7, 5, 300 * gib), 9, 300 * gib);
    expect(combineCrcs(7, combineCrcs(5, 9, 300 * gib), 600 * gib)).to.equal(twice);
    expect(base64Crc(crc32('abc'))).to.equal('NSRBwg==');
  });

  it('cut any file into at most 9,000 chunks of 8 MiB or more that cover all of it', () => {
    for (const size of [16 * MIB, 16 * MIB + 1, 70 * 1024 * MIB, 5 * 1024 ** 4, 40 * 1024 ** 4]) {
      const length = chunkLength(size);
      const count = Math.ceil(size / length);
      expect(length).to.be.within(8 * MIB, 5 * 1024 * MIB);
      expect(count).to.be.at.most(9_000);
    }
    const chunks = [...chunksOf(20 * MIB + 5, CHUNK_RULES)];
    expect(chunks.map(({ number, offset, length }) => [number, offset, length])).to.deep.equal([
      [1, 0, 8 * MIB],
      [2, 8 * MIB, 8 * MIB],
      [3, 16 * MIB, 4 * MIB + 5],
    ]);
  });
});
