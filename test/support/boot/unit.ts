import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A unit as systemd would run it. */
export interface Unit {
  /** Run before each start. If one fails, the unit fails. */
  readonly before: readonly string[];
  readonly argv: readonly string[];
  readonly cwd: string;
  /** From the unit and from its environment file. */
  readonly env: Readonly<Record<string, string>>;
  readonly restart: string;
  /** Exit codes after which it is not restarted, in addition to 0. */
  readonly noRestart: readonly number[];
  readonly restartSeconds: number;
  /** The starts in a number of seconds after which it has failed for good; null: no limit. */
  readonly limit: { readonly starts: number; readonly seconds: number } | null;
  /** The unit that is started when it has failed for good. */
  readonly onFailure: string | null;
}

/** A unit of a directory that `bootIn` booted; null if it was not started. */
export function readUnit(directory: string, name = 'batchctl-worker.service'): Unit | null {
  return existsSync(join(directory, `${name}.started`)) ? unitIn(directory, name) : null;
}

/** A unit of such a directory, whether or not it was started. */
export function unitIn(directory: string, name: string): Unit {
  const lines = readFileSync(join(directory, 'etc/systemd/system', name), 'utf8').split('\n');
  const all = (field: string): readonly string[] =>
    lines.filter((line) => line.startsWith(`${field}=`)).map((line) => line.slice(field.length + 1));
  const one = (field: string): string => all(field)[0] ?? '';
  const file = one('EnvironmentFile').replace(/^-/, '');
  const more = existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.includes('='))
    : [];
  const env = [...all('Environment'), ...more].map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  });
  const [starts, seconds] = [Number(one('StartLimitBurst')), Number(one('StartLimitIntervalSec'))];
  return {
    before: all('ExecStartPre'),
    argv: one('ExecStart').split(' '),
    cwd: one('WorkingDirectory'),
    env: Object.fromEntries(env),
    restart: one('Restart'),
    noRestart: one('RestartPreventExitStatus').split(' ').filter(Boolean).map(Number),
    restartSeconds: Number(one('RestartSec')),
    limit: starts > 0 && seconds > 0 ? { starts, seconds } : null,
    onFailure: one('OnFailure') || null,
  };
}
