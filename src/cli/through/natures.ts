import { ROUTES } from '../api/routes.ts';
import type { Nature } from './send-verb.ts';

type Given = Readonly<Record<string, unknown>>;

const FOLLOW = ['run'];
/** They ask for more than to read, and do the same when they are asked twice. */
const SAME_TWICE = ['plan', 'verify', 'fetch'];

/** What a lost connection means for a verb, as it is asked. */
export function natureOf(name: string, given: Given): Nature {
  if (FOLLOW.includes(name)) return 'follows';
  const { scope, scopeWith = {} } = ROUTES[name] ?? {};
  const more = Object.keys(scopeWith).some((field) => given[field] !== undefined);
  if (more) return 'changes';
  if (scope === 'read' || SAME_TWICE.includes(name)) return 'looks';
  // The same run key again is the same job.
  return name === 'submit' && given.runKey !== undefined && given.again !== true ? 'looks' : 'changes';
}

/** The command that shows whether a change was made. */
export function lookOf(name: string, given: Given): string {
  const [first = ''] = name.split(' ');
  if (typeof given.job === 'string' && first !== 'queue') return `batchctl history ${given.job}`;
  if (first === 'schedule')
    return typeof given.name === 'string' ? `batchctl schedule show ${given.name}` : 'batchctl schedule ls';
  return LOOKS[first] ?? 'batchctl jobs';
}

const LOOKS: Readonly<Record<string, string>> = {
  rm: 'batchctl ls',
  queue: 'batchctl queue',
  workers: 'batchctl workers',
  scale: 'batchctl scale',
};
