import type { Guess } from './sniff.ts';

export const EXAMPLE_CONFIG = `${JSON.stringify({ profile: 'local', profiles: { local: { backend: 'local', root: '.batchctl' } } }, null, 2)}\n`;
export const EXAMPLE_IGNORE = '.batchctl/\n';

/** A job that works unchanged, using only standard programs of Debian. */
export const EXAMPLE_JOB = `# Try it:  batchctl run job.yaml -o -
name: squares
input:
  split: { by: range, from: 1, to: 20 }    # an array job: twenty tasks
steps:
  - name: square
    run: [expr, "{index}", "*", "{index}"]
  - name: sum
    gather: true                           # waits for all, and gets their outputs in task order
    run: "awk '{ sum += $1 } END { print sum }'"
`;

/**
 * A job for the user's file, split according to its format. `from` is relative to the job file; `bytes` is its size.
 */
export function jobFor(from: string, guess: Guess, bytes: number): string {
  return `# Try it:  batchctl run job.yaml -o -
name: ${jobName(from)}
input:
  from: ${JSON.stringify(from)}
  split: ${splitText(guess, pieceSize(bytes))}
steps:
  - name: count                            # your own program here: its input is stdin, its output stdout
    run: ${guess.by === 'file' ? '[wc, -c]' : '[wc, -l]'}
  - name: total
    gather: true                           # waits for all, and gets their outputs in task order
    run: "awk '{ sum += $1 } END { print sum }'"
`;
}

function splitText(guess: Guess, size: string): string {
  if (guess.by === 'file') return '{ by: file }';
  if (guess.by !== 'csv') return `{ by: ${guess.by}, size: ${size} }`;
  const fields = [`by: csv, size: ${size}, header: ${guess.header}`];
  if (guess.delimiter !== ',') fields.push(`delimiter: ${JSON.stringify(guess.delimiter)}`);
  if (guess.quote !== '"') fields.push(`quote: ${JSON.stringify(guess.quote)}`);
  return `{ ${fields.join(', ')} }`;
}

/** About eight tasks for a small file; 32 MB each for a large one. */
function pieceSize(bytes: number): string {
  const eighth = Math.ceil(bytes / 8);
  if (eighth >= 32_000_000) return '32MB';
  return eighth >= 1_000_000 ? `${Math.ceil(eighth / 1_000_000)}MB` : `${Math.max(1, Math.ceil(eighth / 1000))}KB`;
}

/** A valid job name derived from a file name. */
function jobName(from: string): string {
  const stem = (from.split('/').pop() ?? '').split('.')[0] ?? '';
  const name = stem
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return name === '' || name === 'last' ? 'example' : name;
}
