// `npm run check:circles`: within src/ and each folder below it, no files and folders import each other in a circle, not even their
// types or lazily. A folder and its content count as one. Prints each circle, and an import for each arrow.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

/** The circles of a checkout: for each, the folder, its members, and the imports between them. */
export function circlesIn(root) {
  const byFolder = new Map();
  for (const { from, to } of importsIn(root)) {
    for (let folder = 'src'; ; ) {
      const [one, other] = [unitIn(folder, from), unitIn(folder, to)];
      if (one !== other) {
        arrowsOf(byFolder, folder, one).set(other, `${from} -> ${to}`);
        break;
      }
      folder = one;
    }
  }
  return [...byFolder].flatMap(([folder, arrows]) =>
    circlesOf(arrows).map((members) => ({
      folder,
      members,
      imports: members.flatMap((one) => members.flatMap((other) => arrows.get(one)?.get(other) ?? [])),
    })),
  );
}

/** Every import of one file of src/ by another: values, types, exports, and `import()`. */
function importsIn(root) {
  const files = readdirSync(join(root, 'src'), { recursive: true })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join('src', name));
  const known = new Set(files);
  return files.flatMap((from) => {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(root, from), 'utf8'), true, true);
    return importedFiles
      .filter(({ fileName }) => fileName.startsWith('.'))
      .map(({ fileName }) => ({ from, to: relative(root, resolve(root, dirname(from), fileName)) }))
      .filter(({ to }) => known.has(to));
  });
}

/** The file or folder directly in `folder` that a path leads to. */
const unitIn = (folder, path) => join(folder, path.slice(folder.length + 1).split('/')[0]);

function arrowsOf(byFolder, folder, unit) {
  if (!byFolder.has(folder)) byFolder.set(folder, new Map());
  const arrows = byFolder.get(folder);
  if (!arrows.has(unit)) arrows.set(unit, new Map());
  return arrows.get(unit);
}

/** Members of one circle reach each other, in any number of steps. */
function circlesOf(arrows) {
  const reached = new Map([...arrows.keys()].map((unit) => [unit, reachableFrom(arrows, unit)]));
  const left = new Set([...arrows.keys()].filter((unit) => reached.get(unit).has(unit)));
  const circles = [];
  for (const unit of left) {
    const members = [...left].filter((other) => reached.get(unit).has(other) && reached.get(other).has(unit));
    for (const member of members) left.delete(member);
    circles.push(members.sort());
  }
  return circles;
}

function reachableFrom(arrows, unit) {
  const reached = new Set();
  const waiting = [unit];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    for (const next of arrows.get(one)?.keys() ?? []) {
      if (reached.has(next)) continue;
      reached.add(next);
      waiting.push(next);
    }
  }
  return reached;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const circles = circlesIn(join(import.meta.dirname, '..'));
  for (const { folder, members, imports } of circles) {
    console.log(`circle in ${folder}: ${members.join(', ')}\n  ${imports.join('\n  ')}`);
  }
  if (circles.length > 0) process.exitCode = 1;
  else console.log('no circles below src/');
}
