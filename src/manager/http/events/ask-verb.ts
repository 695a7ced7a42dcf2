import { Writable } from 'node:stream';
import { BatchctlError, type ErrorKind } from '../../../errors.ts';
import type { VerbRunner } from '../../../ports/verbs.ts';

/** The most that an answer may have, characters. */
const LARGEST = 32 * 2 ** 20;

/** Runs a verb that looks, and answers its documents as JSON, one a line. Throws what the verb throws. */
export async function askVerb(
  verbs: VerbRunner,
  name: string,
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const chunks: string[] = [];
  let length = 0;
  const out = new Writable({
    decodeStrings: false,
    defaultEncoding: 'utf8',
    write: (chunk: string | Buffer, _, done) => {
      const text = chunk.toString();
      length += text.length;
      if (length <= LARGEST) chunks.push(text);
      done();
    },
  });
  const { error } = await verbs.run({
    ...{ name, input, who: 'manager', terminal: null, attachments: null, out, signal },
    err: new Writable({ write: (_chunk, _encoding, done) => done() }),
    flags: { json: true, quiet: true, verbose: false, yes: false, dryRun: false, tz: null },
  });
  if (error !== null) {
    throw new BatchctlError(error.kind as ErrorKind, error.message, error.hint === null ? {} : { hint: error.hint });
  }
  if (length > LARGEST)
    throw new BatchctlError('unexpected', `the answer of ${name} has more than ${LARGEST} characters`);
  return chunks.join('').split('\n').filter(Boolean);
}
