import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { SupervisorFacts } from '../../ports/insight.ts';
import { supervisorLog } from './ensure-supervisor.ts';
import { translating } from './fs-errors.ts';
import { isSupervised } from './supervisor-lock.ts';

const LINES = 5;
const TAIL_BYTES = 8 * 1024;

/** Whether the group's supervisor lives, and what it said last. Writes nothing where there never was one. */
export function supervisorFacts(root: string, group: string): SupervisorFacts {
  const log = supervisorLog(root, group);
  const alive = existsSync(join(root, 'run', `${group}.lock.db`)) && isSupervised(root, group);
  if (!existsSync(log)) return { alive, log: null, said: [] };
  return { alive, log, said: translating(`read ${log}`, () => lastLines(log)) };
}

function lastLines(file: string): readonly string[] {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const length = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8', 0, length).split('\n').filter(Boolean).slice(-LINES);
  } finally {
    closeSync(fd);
  }
}
