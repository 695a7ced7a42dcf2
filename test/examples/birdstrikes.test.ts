// Protects: the birdstrikes example gives the correct costs, however its records are split.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { csvParts, runByHand, runStep } from './run-by-hand.ts';

const FOLDER = fileURLToPath(new URL('../../examples/birdstrikes', import.meta.url));
const JOB = join(FOLDER, 'job.yaml');
const DATA = join(FOLDER, '../../node_modules/vega-datasets/data/birdstrikes.csv');
const COLUMNS = 'Origin State,Wildlife Species,Effect Amount of damage,Cost Other,Cost Repair,Cost Total $';

const clean = (stdin: string) => runStep(JOB, 'clean', stdin);

describe('the birdstrikes example', () => {
  it('produces independently computed costs by state, and meets its control totals', async () => {
    const { parts, records } = csvParts(readFileSync(DATA, 'utf8'), 1_001);
    const ran = await runByHand(JOB, parts, { records: String(records) });
    expect(ran.unmet).to.deep.equal([]);
    expect(ran.counters.clean).to.deep.equal({ records: '10000', strikes_with_cost: '209', cost: '40545276' });
    expect(ran.outputs['by-state']).to.deep.equal([readFileSync(join(FOLDER, 'expected.csv'), 'utf8')]);
  });

  it('does not depend on where the records are cut', async () => {
    const text = readFileSync(DATA, 'utf8');
    const whole = await runByHand(JOB, csvParts(text, 10_000).parts, { records: '10000' });
    const cut = await runByHand(JOB, csvParts(text, 977).parts, { records: '10000' });
    expect(cut.outputs['by-state']).to.deep.equal(whole.outputs['by-state']);
  });

  it('reads quoted commas, quotes and line breaks', async () => {
    const { code, stdout, counters } = await clean(
      `Remark,${COLUMNS}\r\n"one, ""two""\r\nthree",Texas,"Goose, big",None,1,2,3\r\nplain,Ohio,Gull,Minor,0,0,0`,
    );
    expect(code).to.equal(0);
    expect(stdout).to.equal(
      'state\tspecies\tdamage\trepair\ttotal\nTexas\tGoose, big\tNone\t2\t3\nOhio\tGull\tMinor\t0\t0\n',
    );
    expect(counters).to.deep.equal({ records: '2', strikes_with_cost: '1', cost: '3' });
  });

  for (const [what, row, message] of [
    ["a total that isn't the sum of its costs", 'Texas,Gull,None,1,2,4', "isn't the total"],
    ['a cost that is not a number', 'Texas,Gull,None,1,x,4', 'should be whole dollars'],
    ['a record with a missing field', 'Texas,Gull,None,1,2', 'expected 6 fields, found 5'],
    ['a quote that never closes', 'Texas,"Gull,None,1,2,3', 'never ends'],
  ] as const) {
    it(`refuses ${what} for good`, async () => {
      const { code, stderr, counters } = await clean(`${COLUMNS}\n${row}\n`);
      expect(code).to.equal(65);
      expect(stderr).to.contain(message);
      expect(counters).to.deep.equal({});
    });
  }
});
