import { existsSync } from 'node:fs';
import { findJob } from '../../jobs/find.ts';
import type { LedgerJob } from '../../model/ledger/records.ts';
import { stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { CommandTable } from '../command.ts';
import { type Context, openContext } from '../context.ts';
import { splitGlobalFlags } from '../global-flags.ts';
import type { DynamicKind } from './completable.ts';

export type Candidate = readonly [word: string, text: string];

/** Maximum number of candidates. */
const MAX_CANDIDATES = 200;

/** Naming causes requires reading a job's failures. With more than this many it would take too long. */
const MAX_FAILURES = 2_000;

/** The candidates that only the configuration or the store knows, best first. `words` are those typed so far. */
export async function findCandidates(
  { ctx, table }: { readonly ctx: Context; readonly table: CommandTable },
  kind: DynamicKind,
  words: readonly string[],
): Promise<readonly Candidate[]> {
  const typed = words.at(-1)?.replace(/^--[\w-]+=/, '') ?? '';
  if (kind === 'commands' || kind === 'schemas' || kind === 'topics') {
    const commands = table.commands.map(({ name, summary }): Candidate => [name.split(' ')[0] ?? '', summary]);
    if (kind === 'commands') return commands;
    if (kind === 'schemas') return [['job', 'a job file'], ['config', 'the configuration'], ...commands];
    const { TOPICS } = await import('../topics.ts');
    return [...TOPICS.map(({ name, summary }): Candidate => [name, summary]), ...commands];
  }
  if (kind === 'profiles') return (await ctx.config()).profiles.map((name) => [name, '']);
  const platform = await openIfLocal(ctx);
  if (platform === null) return [];
  switch (kind) {
    case 'jobs':
      return jobCandidates(platform, typed);
    case 'runKeys':
      return (await newest(platform)).flatMap(({ runKey, job }) => (runKey === null ? [] : [[runKey, job] as const]));
    case 'workers': {
      const { listWorkers } = await import('../../jobs/grid/workers.ts');
      const workers = await listWorkers(platform, { group: undefined, left: false });
      return workers.map(({ worker, state, group }) => [worker, `${state}, group ${group}`]);
    }
    case 'groups': {
      const { knownGroups } = await import('../../jobs/grid/queues.ts');
      return (await knownGroups(platform)).map((name) => [name, '']);
    }
    case 'data':
      return dataCandidates(platform, typed);
    default:
      return candidatesOfJob(platform, kind, typed, await typedJob(ctx, table, words));
  }
}

/** The platform; null if opening it would create an embedded store, or cost requests. */
async function openIfLocal(ctx: Context): Promise<Platform | null> {
  const { profile } = await ctx.config();
  // On AWS, each key pressed would cost requests.
  if (profile.root === null || !existsSync(`${profile.root}/ledger.db`)) return null;
  return ctx.platform();
}

async function newest(platform: Platform): Promise<readonly LedgerJob[]> {
  return (await platform.ledger()).jobs({ limit: MAX_CANDIDATES });
}

async function jobCandidates(platform: Platform, typed: string): Promise<readonly Candidate[]> {
  const known = await newest(platform);
  const about = ({ name, state, pruned }: LedgerJob): string => `${name}, ${state}${pruned === true ? ', pruned' : ''}`;
  const ids = known.map((job): Candidate => [job.job, about(job)]);
  const named = new Map(known.toReversed().map((job): Candidate => [`name:${job.name}`, `${job.job}, ${job.state}`]));
  const keyed = new Map(
    known.toReversed().flatMap((job): Candidate[] => (job.runKey === null ? [] : [[`key:${job.runKey}`, about(job)]])),
  );
  if (typed.startsWith('key:')) return [...keyed];
  if (typed.startsWith('name:')) return [...named];
  const [last] = known;
  return last === undefined ? [] : [...ids, ['last', `${last.job}, ${last.state}`]];
}

/** Keys of raw data, one level at a time, like paths. */
async function dataCandidates({ store }: Platform, typed: string): Promise<readonly Candidate[]> {
  const { dataKey } = await import('../../model/keys.ts');
  const above = typed.slice(0, typed.lastIndexOf('/') + 1);
  const found = new Set<string>();
  for await (const { key } of store.list(dataKey(typed))) {
    const rest = key.slice(dataKey(above).length);
    found.add(`${above}${rest.includes('/') ? rest.slice(0, rest.indexOf('/') + 1) : rest}`);
    if (found.size >= MAX_CANDIDATES) break;
  }
  return [...found].map((key) => [key, '']);
}

async function candidatesOfJob(
  platform: Platform,
  kind: 'tasks' | 'steps' | 'causes',
  typed: string,
  job: string | undefined,
): Promise<readonly Candidate[]> {
  const view = await findJob(platform, job);
  const { spec } = view.record;
  if (kind === 'steps') return spec.steps.map(({ name }) => [name, `of ${view.record.job}, ${stateOf(view)}`]);
  const ledger = await platform.ledger();
  if (kind === 'causes') {
    const failed = (await ledger.counts(view.record.job)).reduce((sum, counts) => sum + counts.failed, 0);
    if (failed > MAX_FAILURES) return [];
    const { causesOf } = await import('../../jobs/failures.ts');
    return (await causesOf(platform, view)).map(({ id, step, tasks, error, reason }) => [
      id,
      `${tasks.count} × ${step}: ${error ?? reason}`,
    ]);
  }
  // Failed tasks first: those are what people look for. Otherwise any tasks.
  const failed = await ledger.tasks(view.record.job, { states: ['failed'], limit: MAX_CANDIDATES });
  const listed = failed.length > 0 ? failed : await ledger.tasks(view.record.job, { limit: MAX_CANDIDATES });
  const rows = listed.map(({ step, task, state, error }): Candidate => [`${step}/${task}`, error ?? state]);
  return rows.some(([word]) => word.startsWith(typed)) ? rows : spec.steps.map(({ name }) => [`${name}/`, '']);
}

/** The job that the words so far name; undefined (the latest) if they name none. */
async function typedJob(ctx: Context, table: CommandTable, words: readonly string[]): Promise<string | undefined> {
  const found = table.find(words.filter((word) => !word.startsWith('-')));
  if (found === null) return undefined;
  const definition = (await found.entry.load())(ctx);
  const at = Object.keys(definition.arguments).findIndex((spec) => /^[<[]job[>\]]$/.test(spec));
  const valued = new Set(
    Object.keys(definition.options).flatMap((flags) => (flags.includes('<') ? (flags.match(/--?[\w-]+/g) ?? []) : [])),
  );
  const operands: string[] = [];
  // The last word is still being typed.
  for (let i = 0; i < words.length - 1; i += 1) {
    const word = words[i] ?? '';
    if (word === '--job') return words[i + 1];
    if (word.startsWith('--job=')) return word.slice('--job='.length);
    if (valued.has(word)) i += 1;
    else if (!word.startsWith('-')) operands.push(word);
  }
  return at < 0 ? undefined : operands[found.entry.name.split(' ').length + at];
}

/** A context with the `--config` and `--profile` of the typed line, and its words without global flags. */
export function parseTypedLine(
  ctx: Context,
  words: readonly string[],
): { readonly ctx: Context; readonly words: readonly string[] } {
  const { io, signal, stopNow, closed } = ctx;
  const before = words.slice(0, -1);
  try {
    const split = splitGlobalFlags(before);
    const flags = { ...split.flags, quiet: true };
    return { ctx: openContext({ flags, io, signal, stopNow, closed }), words: [...split.words, words.at(-1) ?? ''] };
  } catch {
    // A flag is only half typed, so the line doesn't parse yet.
    return { ctx: openContext({ flags: { ...ctx.flags, quiet: true }, io, signal, stopNow, closed }), words };
  }
}
