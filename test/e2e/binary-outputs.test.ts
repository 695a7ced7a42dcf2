// Protects: outputs that are not text are joined without a byte more or less, by every reader in the same way.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

describe('outputs that are not text', () => {
  const place = forEachTest(() => Workspace.withLongLeases());
  const LINES = Array.from({ length: 60 }, (_, n) => `${n}\n`);
  /** About a fifth of these have no byte that text can't have. */
  const DIGESTS = Buffer.concat(LINES.map((line) => createHash('sha256').update(line).digest()));
  const BY_LINE = ['--input', 'lines.txt', '--split', 'lines:1', '--profile', 'local'];
  const DIGEST = ['openssl', 'dgst', '-sha256', '-binary'];

  beforeEach(() => {
    place.write('lines.txt', LINES.join(''));
  });

  it('are joined unchanged by run, fetch and a gather, and run says that it guessed', async () => {
    const ran = await place.run(['run', ...BY_LINE, '-o', 'digests.bin', '--', ...DIGEST]);
    expectExit(ran);
    expect(readFileSync(place.path('digests.bin')).equals(DIGESTS)).to.equal(true);
    expect(ran.stderr).to.include('joined unchanged, as they do not look like text; --join lines adds line ends');
    const fetched = await place.run(['fetch', 'last', '-o', 'again.bin', '--json']);
    expect(JSON.parse(fetched.stdout)).to.include({ bytes: 1_920, guessed: 'bytes' });
    expect(readFileSync(place.path('again.bin')).equals(DIGESTS)).to.equal(true);
    expect(JSON.parse((await place.run(['fetch', 'last', '-o', 'again.bin', '--json'])).stdout)).to.include({
      kept: 60,
    });

    const gathered = ['--gather', 'openssl dgst -sha256 -r', '-o', '-'];
    const sum = await place.run(['run', ...BY_LINE, ...gathered, '--', ...DIGEST]);
    expectExit(sum);
    expect(sum.stdout).to.include(createHash('sha256').update(DIGESTS).digest('hex'));
  });

  it('mixed with text fail a gather with what to change, and end well with it', async () => {
    const steps = [
      { name: 'one', attempts: 1, run: `read n; [ "$n" -lt 30 ] && printf %s "$n" || printf '\\000'` },
      { name: 'all', gather: true, attempts: 1, run: 'wc -c' },
    ];
    const job = { name: 'mixed', input: { from: 'lines.txt', split: { by: 'lines', every: 1 } }, steps };
    place.write('job.json', job);
    const failed = await place.run(['run', 'job.json', '--profile', 'local']);
    expect(failed.code, failed.stderr).to.equal(5);
    const causes = (await place.run(['failures', 'last'])).stdout;
    expect(causes).to.include("can't tell how to join the outputs of one").and.include('give step all join: bytes');
    place.write('fixed.json', { ...job, steps: [steps[0], { ...steps[1], join: 'bytes' }] });
    await place.runSuccessfully('retry', 'last', '--with', 'fixed.json');
    const ended = await place.run(['run', 'name:mixed', '-o', '-']);
    expect([ended.code, ended.stdout.trim()]).to.deep.equal([0, String(10 + 2 * 20 + 30)]);
  });
});
