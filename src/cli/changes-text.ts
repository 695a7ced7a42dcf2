import { formatDuration, formatSize } from '../lib/units.ts';
import type { TaskSets } from '../model/journal.ts';
import type { Change } from '../model/overrides.ts';
import type { Context } from './context.ts';
import { formatInstant } from './format.ts';
import { renderTable } from './render.ts';

/** Changes as a table: field, from, to. */
export async function changesText(ctx: Context, changes: readonly Change[]): Promise<string> {
  const zone = await ctx.zone();
  return renderTable(ctx, changes, [
    { title: 'changes', value: ({ field }) => field, min: 16 },
    { title: 'from', value: ({ field, from }) => valueText(field, from, zone), min: 10 },
    { title: 'to', value: ({ field, to }) => valueText(field, to, zone), min: 10 },
  ]);
}

const HASH_SHOWN = 12;

function valueText(field: string, value: unknown, zone: string): string {
  if (value === null || value === undefined) return 'none';
  if (/\.(timeout|stall)$/.test(field) && typeof value === 'number') return formatDuration(value);
  if (/\.needs\.(memory|disk)$/.test(field) && typeof value === 'number') return formatSize(value);
  if ((field === 'finishBy' || field === 'notBefore') && typeof value === 'string')
    return formatInstant(Date.parse(value), zone);
  if (field === 'maxCost') return `$${value}`;
  if ((field === 'code' || field.startsWith('files/')) && typeof value === 'string') return hashText(value);
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(wordText).join(' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function hashText(hash: string): string {
  return `${hash.slice(0, HASH_SHOWN)}${hash.endsWith('+x') ? ' (may be run)' : ''}`;
}

/** An argument quoted for a shell. */
function wordText(word: unknown): string {
  const text = String(word);
  return /^[\w@%+=:,./{}-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const SHOWN = 60;

/** Sets of tasks in a line: `price/0-4,17 check/3`; long ones are cut. */
export function setsText(sets: TaskSets): string {
  return Object.entries(sets)
    .map(([step, set]) => `${step}/${set.length > SHOWN ? `${set.slice(0, SHOWN - 3)}...` : set}`)
    .join(' ');
}
