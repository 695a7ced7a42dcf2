// A file is one idea: fails for any of src, test, bench, bin and build over 500 lines. 100 to 400 are usual.

import { readFileSync } from 'node:fs';
import { globSync } from 'tinyglobby';

const LIMIT = 500;
const files = globSync(['{src,test,bench,bin,build,.ci}/**/*.{ts,tsx,css,mjs,js}'], {
  // The API's types are made, not written.
  ignore: ['**/{data,.data,node_modules}/**'],
  dot: true,
});
const long = files
  .map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length - 1 }))
  .filter(({ lines }) => lines > LIMIT);
for (const { file, lines } of long)
  console.error(`${file}: ${lines} lines, expected at most ${LIMIT}: perhaps two ideas`);
if (long.length > 0) process.exit(1);
console.log(`${files.length} files, none over ${LIMIT} lines`);
