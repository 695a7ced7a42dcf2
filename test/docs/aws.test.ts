import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fauxqs, startFauxqs } from '../support/servers/fauxqs.ts';
import { type Moto, startMoto } from '../support/servers/moto.ts';
import { Desk } from './desk.ts';
import { onEmulators } from './on-emulators.ts';
import { markedBlocks } from './readme-blocks.ts';
import { tryOut } from './try-out.ts';

const PAGE = join(import.meta.dirname, '../../docs/aws.md');

describe('docs/aws.md', function () {
  this.timeout(120_000);
  let s3: Moto;
  let sqs: Fauxqs;

  before(async function () {
    s3 = await startMoto(this);
    sqs = await startFauxqs();
  });
  after(async () => {
    await Promise.all([s3?.stop(), sqs?.stop()]);
  });

  it('shows what happens: its files written and its commands typed, against emulators', async () => {
    const desk = new Desk(onEmulators(s3.url, sqs.url));
    try {
      for (const block of markedBlocks(readFileSync(PAGE, 'utf8'))) await tryOut(desk, block);
    } finally {
      await desk.remove();
    }
  });
});
