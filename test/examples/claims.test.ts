// Protects: the claims example produces exact totals to the cent, and rejects bad records by name.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { csvParts, runByHand, runStep } from './run-by-hand.ts';

const FOLDER = fileURLToPath(new URL('../../examples/claims', import.meta.url));
const JOB = join(FOLDER, 'job.yaml');
const COLUMNS = 'claim,date,region,product,holder,currency,amount,note';

const make = (...args: readonly string[]) =>
  spawnSync(process.execPath, [join(FOLDER, 'make-claims.mjs'), ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });

const run = (step: string, stdin: string) => runStep(JOB, step, stdin);

describe('the claims example', () => {
  const claims = make('--records', '20000').stdout;

  it('generates the same bytes from the same seed, and others from another', () => {
    const sha256 = createHash('sha256').update(claims).digest('hex');
    expect(sha256).to.equal('13e86e0436aafda6b1b16b1b3d2c5a0c73635539b287e241726a39a2a5237f22');
    expect(make('--records', '100', '--seed', '2').stdout).not.to.equal(make('--records', '100').stdout);
  });

  it('generates as many claims as fit a size, and reports them', () => {
    const { stdout, stderr } = make('--size', '100KB');
    const bytes = Buffer.byteLength(stdout);
    expect(bytes).to.be.within(99_700, 100_000);
    expect(claims.startsWith(stdout)).to.equal(true);
    expect(JSON.parse(stderr)).to.include({ bytes, records: csvParts(stdout, 1).records });
  });

  it('produces independently computed exact totals, and meets its control totals', async () => {
    const { parts, records } = csvParts(claims, 5_001);
    const ran = await runByHand(JOB, parts, { records: String(records) });
    expect(ran.unmet).to.deep.equal([]);
    expect(ran.counters.convert).to.deep.equal({
      records: '20000',
      amount: '69996411.56',
      payable: '67848761.17',
      eur: '53265817.83',
    });
    expect(ran.outputs.totals).to.deep.equal([readFileSync(join(FOLDER, 'expected.csv'), 'utf8')]);
  });

  it('prices only one region if told to, and still counts every record', async () => {
    const { parts, records } = csvParts(claims, 10_001);
    const ran = await runByHand(JOB, parts, { records: String(records) }, { region: 'UK' });
    expect(ran.unmet).to.deep.equal([]);
    expect(ran.outputs.totals).to.deep.equal(['region,claims,eur\nUK,4980,18524382.91\n']);
  });

  it('also gathers parts without a claim of the region', async () => {
    const { parts } = csvParts(claims, 10_000);
    const ran = await runByHand(JOB, parts, { records: '20000' }, { region: 'nowhere' });
    expect(ran.unmet).to.deep.equal([]);
    expect(ran.outputs.totals).to.deep.equal(['region,claims,eur\n']);
  });

  it('reads quoted commas, quotes, line breaks and CRLF', async () => {
    const row = 'C1,d,EU,motor,"a ""b"", c",EUR,200.10,"one\r\ntwo, ""three"""';
    const { code, stdout } = await run('price', `${COLUMNS}\r\n${row}\r\nC2,d,EU,home,x,SEK,1.10,`);
    expect(code).to.equal(0);
    expect(stdout).to.equal('claim,region,currency,amount,payable\nC1,EU,EUR,200.10,50.10\nC2,EU,SEK,1.10,0.00\n');
  });

  it('refuses a bad amount for good, and names the record', async () => {
    const { code, stderr, counters } = await run('price', make('--records', '5', '--bad-every', '3').stdout);
    expect(code).to.equal(65);
    expect(stderr).to.equal('price: record 3 of this part: the amount should be like 1234.50, found "1,234.50"\n');
    expect(counters).to.deep.equal({});
  });

  it('refuses a quote that never closes, and an unknown product', async () => {
    expect((await run('price', `${COLUMNS}\nC1,d,EU,motor,"x,EUR,1.00,\n`)).stderr).to.contain('never ends');
    expect((await run('price', `${COLUMNS}\nC1,d,EU,boat,x,EUR,1.00,\n`)).stderr).to.contain('unknown product "boat"');
  });

  it('refuses a currency without a rate for good', async () => {
    const { code, stderr } = await run('convert', 'claim,region,currency,amount,payable\nC1,APAC,JPY,1.00,1.00\n');
    expect([code, stderr]).to.deep.equal([65, 'convert: line 2: no rate for JPY in rates.csv\n']);
  });

  it('rounds half a cent up, where floats would not', async () => {
    // Each is exactly half a cent more: 569.935, 90.915, 862.515, 707.145.
    const rows = ['C1,UK,GBP,,500.00', 'C2,EU,SEK,,1000.00', 'C3,US,USD,,1000.00', 'C4,EU,PLN,,3000.00'];
    const stdin = `claim,region,currency,amount,payable\n${rows.join('\n').replaceAll(',,', ',0.00,')}\n`;
    const { stdout } = await run('convert', stdin);
    expect(stdout).to.equal('claim,region,eur\nC1,UK,569.94\nC2,EU,90.92\nC3,US,862.52\nC4,EU,707.15\n');
  });

  it('adds up large sums to the cent', async () => {
    const rows = Array.from({ length: 3 }, (_, n) => `C${n},EU,9999999999999.99`);
    const { stdout, counters } = await run('totals', `claim,region,eur\n${rows.join('\n')}\n`);
    expect(stdout).to.equal('region,claims,eur\nEU,3,29999999999999.97\n');
    expect(counters).to.deep.equal({ records: '3', eur: '29999999999999.97' });
  });
});
