// Protects: a job's files stay executable, and never run with another user's rights.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { pack } from 'tar-stream';
import { unpackCode } from '../../src/jobs/code-archive.ts';

describe('unpacked code', () => {
  it('can be run, but never as another user', async () => {
    const archive = pack();
    archive.entry({ name: 'run', mode: 0o6755 }, '#!/bin/sh\n');
    archive.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of archive) chunks.push(chunk as Buffer);
    const tar = Buffer.concat(chunks);
    const directory = mkdtempSync(join(tmpdir(), 'batchctl-code-'));
    try {
      await unpackCode(gzipSync(tar), createHash('sha256').update(tar).digest('hex'), directory);
      expect(statSync(join(directory, 'run')).mode & 0o7777).to.equal(0o755);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
