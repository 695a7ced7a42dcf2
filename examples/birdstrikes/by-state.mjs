// The gather. Reads every cleaned record from stdin (tab-separated, one header line); writes costs by state as CSV to
// stdout.
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const states = new Map();
let records = 0;
let withCost = 0;
let cost = 0; // Whole dollars: exact up to 2^53.

let header = true;
for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
  if (header) {
    header = false;
    continue;
  }
  const [state, species, damage, , total] = line.split('\t');
  const dollars = Number(total);
  const entry = states.get(state) ?? { strikes: 0, damaging: 0, cost: 0, species: new Map() };
  entry.strikes += 1;
  if (damage !== 'None') entry.damaging += 1;
  entry.cost += dollars;
  entry.species.set(species, (entry.species.get(species) ?? 0) + dollars);
  states.set(state, entry);
  records += 1;
  if (dollars > 0) withCost += 1;
  cost += dollars;
}

const field = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const byText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** The most expensive species of a state; empty if nothing was paid. */
function costliest(species) {
  const [first] = [...species].sort((a, b) => b[1] - a[1] || byText(a[0], b[0]));
  return first !== undefined && first[1] > 0 ? first[0] : '';
}

const rows = [...states].sort((a, b) => b[1].cost - a[1].cost || byText(a[0], b[0]));
const lines = rows.map(([state, entry]) =>
  [field(state), entry.strikes, entry.damaging, entry.cost, field(costliest(entry.species))].join(','),
);
process.stdout.write(`${['state,strikes,damaging,cost_usd,costliest_species', ...lines].join('\n')}\n`);
appendFileSync(
  process.env.BATCHCTL_COUNTERS,
  `records ${records}\nstrikes_with_cost ${withCost}\ncost ${cost}\nstates ${states.size}\n`,
);
