import { BatchctlError } from '../../errors.ts';

/** The options of `run` that describe a grid. */
export interface GridOptions {
  readonly grid?: readonly string[] | undefined;
  readonly zip?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
}

const HINT =
  'for example --grid lr=0.1,0.01 --grid seed=1..20; steps: x=0..1..0.1; a scale: lr=log:1e-4..1e-1:7; side by side: --zip lr,seed; left out: --exclude lr=0.1,seed=3';

const NUMBER = String.raw`[-+.\de]+?`;
const STEPS = new RegExp(String.raw`^(${NUMBER})\.\.(${NUMBER})(?:\.\.(${NUMBER}))?$`, 'i');
const SCALE = new RegExp(String.raw`^log:(${NUMBER})\.\.(${NUMBER}):(\d+)$`, 'i');

/**
 * The split of a job file from `--grid NAME=VALUES`, `--zip NAME,NAME` and `--exclude NAME=VALUE,NAME=VALUE`. Values are
 * `a,b,c`, `FROM..TO`, `FROM..TO..STEP` or `log:FROM..TO:COUNT`. Throws `usage` for other texts; what they mean together
 * is checked as in a job file.
 */
export function parseGrid({ grid = [], zip = [], exclude = [] }: GridOptions): Record<string, unknown> {
  const axes = new Map<string, unknown>();
  for (const text of grid) {
    const [name, values] = pairOf('--grid', text);
    if (axes.has(name)) throw wrong('--grid', text, `the axis ${name} is given twice`);
    axes.set(name, axisOf(values));
  }
  return {
    by: 'grid',
    axes: Object.fromEntries(axes),
    ...(zip.length > 0 && { zip: zip.map(wordsOf) }),
    ...(exclude.length > 0 && { exclude: exclude.map(exclusionOf) }),
  };
}

function axisOf(values: string): unknown {
  const scale = SCALE.exec(values);
  if (scale !== null) return { log: scale.slice(1, 3), count: Number(scale[3]) };
  const steps = STEPS.exec(values);
  if (steps === null) return wordsOf(values);
  const [, from, to, step] = steps;
  return { from, to, ...(step !== undefined && { step }) };
}

/** An axis that is named twice has each of the values. */
function exclusionOf(text: string): Record<string, readonly string[]> {
  const values = new Map<string, string[]>();
  for (const word of text.split(',')) {
    const [name, value] = pairOf('--exclude', word);
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return Object.fromEntries(values);
}

const wordsOf = (text: string): readonly string[] => text.split(',').map((word) => word.trim());

function pairOf(option: string, text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=');
  const [name, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  if (at <= 0 || name === '' || value === '') throw wrong(option, text, 'expected NAME=VALUE');
  return [name, value];
}

const wrong = (option: string, text: string, why: string): BatchctlError =>
  new BatchctlError('usage', `${option} "${text}": ${why}`, { hint: HINT });
