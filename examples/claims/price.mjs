// Computes what each claim pays: the amount less the product's excess, never below zero. CSV in, CSV out: claim,
// region, currency, amount, payable. With the parameter region, prices only that region's claims. Exit 65: a claim
// can't be read, and retrying doesn't help.
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { recordBatches } from './csv.mjs';

/** The amount that the policyholder pays, in cents of the claim's currency. */
const EXCESS = new Map([
  ['motor', 150_00],
  ['home', 250_00],
  ['travel', 50_00],
  ['health', 0],
]);
const COLUMNS = ['claim', 'region', 'product', 'currency', 'amount'];

const onlyRegion = process.env.BATCHCTL_PARAM_REGION ?? 'all';
// Money is whole cents throughout: a float can't hold 0.10.
const totals = { records: 0, priced: 0, amount: 0n, payable: 0n };

const money = (cents) => `${BigInt(cents) / 100n}.${String(BigInt(cents) % 100n).padStart(2, '0')}`;

function centsOf(text) {
  const [, units, cents] = /^(\d{1,12})\.(\d{2})$/.exec(text) ?? [];
  if (units === undefined) throw new SyntaxError(`the amount should be like 1234.50, found "${text}"`);
  return Number(units + cents); // 14 digits at most: exact
}

function columnsOf(header) {
  const columns = COLUMNS.map((name) => header.indexOf(name));
  const missing = COLUMNS.filter((_, index) => columns[index] === -1);
  if (missing.length > 0) throw new SyntaxError(`no column ${missing.join(', ')} in the header`);
  return { columns, width: header.length };
}

/** A claim's output line; empty for another region's claim. */
function price(record, { columns, width }) {
  totals.records += 1;
  if (record.length !== width) throw new SyntaxError(`expected ${width} fields, found ${record.length}`);
  const [claim, region, product, currency, text] = columns.map((index) => record[index]);
  const amount = centsOf(text);
  const excess = EXCESS.get(product);
  if (excess === undefined) throw new SyntaxError(`claim ${claim} is for an unknown product "${product}"`);
  if (!/^[A-Z]{3}$/.test(currency)) throw new SyntaxError(`claim ${claim} is in an unknown currency "${currency}"`);
  if (onlyRegion !== 'all' && region !== onlyRegion) return '';
  const payable = Math.max(0, amount - excess);
  totals.priced += 1;
  totals.amount += BigInt(amount);
  totals.payable += BigInt(payable);
  return `${claim},${region},${currency},${text},${money(payable)}\n`;
}

async function main() {
  let layout = null;
  process.stdout.write('claim,region,currency,amount,payable\n');
  for await (const batch of recordBatches(process.stdin)) {
    let text = '';
    for (const record of batch) {
      if (layout === null) layout = columnsOf(record);
      else text += price(record, layout);
    }
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  }
  const { records, priced, amount, payable } = totals;
  appendFileSync(
    process.env.BATCHCTL_COUNTERS,
    `records ${records}\npriced ${priced}\namount ${money(amount)}\npayable ${money(payable)}\n`,
  );
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SyntaxError)) throw error;
  process.stderr.write(`price: record ${totals.records} of this part: ${error.message}\n`);
  process.exitCode = 65;
}
