// The programs of other people that pages use, for a machine without them: `stand-ins.mjs jq|curl ARGUMENTS`. They come last
// in the reader's PATH (reader-shell.ts), and know only what the pages ask of them.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What each filter of docs/json.md makes of a document: its lines. */
const FILTERS = {
  '.state, (.steps[] | "\\(.name): \\(.done) of \\(.total) done, \\(.failed) failed")': ({ state, steps }) => [
    state,
    ...steps.map(({ name, done, total, failed }) => `${name}: ${done} of ${total} done, ${failed} failed`),
  ],
  '"\\(.count) \\(.step) exit \\(.exitCode): \\(.example.error)"': ({ count, step, exitCode, example }) => [
    `${count} ${step} exit ${exitCode}: ${example.error}`,
  ],
  '"\\(.step)/\\(.task)"': ({ step, task }) => [`${step}/${task}`],
  '.state': ({ state }) => [state],
  '.verdict': ({ verdict }) => [verdict],
  '.error | .kind, .message': ({ error: { kind, message } }) => [kind, message],
};

const [program, ...args] = process.argv.slice(2);
await { jq, curl }[program](args);

/** `jq -r FILTER [FILE]`. */
function jq([flag, filter, file = 0]) {
  const linesOf = FILTERS[filter];
  if (flag !== '-r' || linesOf === undefined) throw new Error(`expected a filter of docs/json.md, found ${filter}`);
  const documents = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  console.log(documents.flatMap(linesOf).join('\n'));
}

/** `curl -sf --retry N --retry-connrefused URL`: tries once a second while nothing listens. */
async function curl(words) {
  const url = words.at(-1);
  for (let left = Number(words[words.indexOf('--retry') + 1]); ; left -= 1) {
    try {
      const answer = await fetch(url);
      if (!answer.ok) process.exit(22);
      return process.stdout.write(await answer.text());
    } catch (error) {
      if (left === 0) throw error;
      await sleep(1_000);
    }
  }
}
