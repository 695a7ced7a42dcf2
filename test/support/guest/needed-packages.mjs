// needed-packages.mjs LISTS PACKAGE...: removes all packages from apt's lists except these, those that they may need, and Debian's
// essential ones. Each run of apt reads all packages in its lists, which takes two seconds for Debian's 70,000.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [lists = '', ...wanted] = process.argv.slice(2);
const files = readdirSync(lists).filter((name) => name.endsWith('_Packages'));
/** The packages that each file describes, each as the text of its fields. */
const described = new Map(files.map((name) => [name, readFileSync(join(lists, name), 'latin1').split('\n\n')]));

/** The packages by name: their own names, and those that they provide. */
const named = new Map();
for (const fields of [...described.values()].flat()) {
  const own = fieldOf(fields, 'Package');
  if (fieldOf(fields, 'Essential') === 'yes') wanted.push(own);
  for (const name of [own, ...namesIn(fieldOf(fields, 'Provides'))]) {
    const known = named.get(name);
    if (known === undefined) named.set(name, [fields]);
    else known.push(fields);
  }
}

/** Includes all alternatives of a dependency, because apt decides between them. */
const needed = new Set();
const looked = new Set();
for (const name of wanted) {
  if (looked.has(name)) continue;
  looked.add(name);
  for (const fields of named.get(name) ?? []) {
    if (needed.has(fields)) continue;
    needed.add(fields);
    for (const field of ['Depends', 'Pre-Depends']) wanted.push(...namesIn(fieldOf(fields, field)));
  }
}
for (const [name, all] of described) {
  writeFileSync(
    join(lists, name),
    all
      .filter((fields) => needed.has(fields))
      .map((fields) => `${fields}\n\n`)
      .join(''),
    'latin1',
  );
}

function namesIn(relations) {
  return relations.split(/[,|]/).flatMap((each) => /^\s*([^\s:(]+)/.exec(each)?.[1] ?? []);
}

function fieldOf(fields, name) {
  const label = `${name}: `;
  const at = fields.startsWith(label) ? 0 : fields.indexOf(`\n${label}`) + 1;
  if (at === 0 && !fields.startsWith(label)) return '';
  const end = fields.indexOf('\n', at);
  return fields.slice(at + label.length, end < 0 ? undefined : end);
}
