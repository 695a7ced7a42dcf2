import { BatchctlError } from '../../errors.ts';
import { problemsOf } from '../../lib/issues.ts';
import { unknownName } from '../../lib/problems.ts';
import type { SplitSpec } from '../../model/job.ts';
import { normalizeSplit } from './normalize.ts';
import { splitSchema } from './schema-split.ts';

const HINT = 'such as csv:32MB,header · lines:100 · jsonl:1GB · records:64MB,length=80 · file · list · range:1..1000';
const KINDS = ['lines', 'csv', 'jsonl', 'records', 'file', 'list', 'range'];

/**
 * Reads a split as the command line gives it: `KIND[:AMOUNT][,FIELD=VALUE...]`. A bare number is records a task (`lines:100`),
 * a number with a unit a size (`csv:32MB`). Throws `usage`.
 */
export function parseSplitText(text: string): SplitSpec {
  const [head = '', ...options] = text.split(',');
  const colon = head.indexOf(':');
  const by = colon < 0 ? head : head.slice(0, colon);
  const amount = colon < 0 ? null : head.slice(colon + 1);
  if (!KINDS.includes(by)) throw usage(text, unknownName('split', by, KINDS));

  const fields: Record<string, unknown> = { by };
  if (by === 'range') {
    const match = /^(-?\d+)\.\.(-?\d+)$/.exec(amount ?? '');
    if (match === null) throw usage(text, 'a range is FROM..TO');
    fields.from = Number(match[1]);
    fields.to = Number(match[2]);
    if (Number(match[2]) < Number(match[1])) throw usage(text, 'a range ends at its beginning or later');
  } else if (amount !== null) {
    if (/^\d+$/.test(amount)) fields.every = Number(amount);
    else fields.size = amount;
  } else if (by !== 'file' && by !== 'list') {
    throw usage(text, 'an amount is missing: records a task (100), or a size (32MB)');
  }
  for (const option of options) {
    const [name = '', value] = splitOnce(option, '=');
    if (value === undefined) fields[name] = true;
    else fields[name] = /^(true|false)$/.test(value) ? value === 'true' : name === 'length' ? Number(value) : value;
  }

  const result = splitSchema.safeParse(fields);
  if (!result.success) {
    const problems = problemsOf(result.error.issues, fields);
    throw usage(text, problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  }
  return normalizeSplit(result.data);
}

const usage = (text: string, why: string): BatchctlError =>
  new BatchctlError('usage', `--split ${JSON.stringify(text)}: ${why}`, { hint: HINT });

/** In two at the first separator: what follows may hold it again (`delimiter==`). */
function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
