import { lstat, readdir, realpath, stat } from 'node:fs';
import { relative, resolve } from 'node:path';
import { glob } from 'tinyglobby';
import { hasCode } from '../../errors.ts';
import { isGarbled, leadsNowhere, notText, unreadable } from '../left-out.ts';

/**
 * The files that a pattern means, as absolute paths, sorted. Nothing that it means is left out in silence: throws `notFound`
 * for a directory on its way that can't be read, a link that leads nowhere, and a name that is no UTF-8.
 */
export async function matchFiles(
  pattern: string,
  { directory, dot }: { readonly directory: string; readonly dot: boolean },
): Promise<readonly string[]> {
  const closed: Trouble[] = [];
  const dead = new Map<string, unknown>();
  const onClosed: OnError = (path, error, done) => {
    closed.push({ path, error });
    done(error, undefined);
  };
  // Links that lead nowhere are met as files, so that the pattern says whether they are meant.
  const onDead: OnError = (path, error, done) => {
    dead.set(path, error);
    done(null, path);
  };
  const matches = await glob([pattern], {
    ...{ cwd: directory, dot, onlyFiles: true, absolute: true, expandDirectories: false },
    fs: { readdir: watched(readdir, onClosed), realpath: watched(realpath, onDead), stat: watched(stat, onGone) },
  });
  const paths = matches.map((match) => resolve(match)).sort();
  const shown = (path: string): string => relative(directory, path) || path;

  // A directory that is gone holds nothing; one whose name is no text can't even be asked.
  const unread = closed.find(({ path, error }) => isGarbled(path) || !hasCode(error, 'ENOENT', 'ENOTDIR'));
  if (unread !== undefined) {
    throw isGarbled(unread.path) ? notText(shown(unread.path)) : unreadable(shown(unread.path), unread.error);
  }
  for (const path of paths) {
    if (dead.has(path)) throw leadsNowhere(shown(path), dead.get(path));
    if (isGarbled(path)) throw notText(shown(path));
  }
  return paths;
}

interface Trouble {
  readonly path: string;
  readonly error: unknown;
}

type Done = (error: unknown, result: unknown) => void;
type OnError = (path: string, error: unknown, done: Done) => void;

const onGone: OnError = (path, error, done) =>
  lstat(path, (none, link) => (none === null ? done(null, link) : done(error, undefined)));

/** The same function of `node:fs`, with another end where its callback would be given an error. */
function watched<F extends object>(act: F, onError: OnError): F {
  return new Proxy(act, {
    apply(target, self, given: unknown[]) {
      const done = given.at(-1) as Done;
      const ended: Done = (error, result) =>
        error ? onError(resolve(String(given[0])), error, done) : done(null, result);
      return Reflect.apply(target as Done, self, [...given.slice(0, -1), ended]);
    },
  });
}
