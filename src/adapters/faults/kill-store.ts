import type { ObjectStore } from '../../ports/object-store.ts';

/**
 * For the crash tests: a store that passes a fault point just before and right after each deciding write. Points:
 * `journal` (any entry), `close` (the entry that closes a job), `opengather` (opened.json), `unmark` (open marks
 * deleted), `due` (a delivery is marked), `news` (people are to be notified), `mark` (an open mark is put), `putcode`
 * (a code archive is put), `stagefile` (a file of a large output), `stepshard` (parts behind an `explode`),
 * `interruption` (spot ended an attempt), `discard` (a dead submission can no longer be committed); each also as
 * `before-...`. `passed` is called at each point and may kill this process there.
 */
export function killStore(store: ObjectStore, passed: (point: string) => void): ObjectStore {
  const around = async <T>(points: readonly string[], write: () => Promise<T>): Promise<T> => {
    for (const point of points) passed(`before-${point}`);
    const result = await write();
    for (const point of points) passed(point);
    return result;
  };
  return {
    location: store.location,
    put: (key, body, options) => around(pointsOf(key, body), () => store.put(key, body, options)),
    delete: (keys) => around(keys.some(isOpenMark) ? ['unmark'] : [], () => store.delete(keys)),
    read: (key, options) => store.read(key, options),
    get: (key, options) => store.get(key, options),
    head: (key) => store.head(key),
    list: (prefix, options) => store.list(prefix, options),
    keys: (prefix, options) => store.keys(prefix, options),
    copy: (from, to, options) => store.copy(from, to, options),
    presign: (key, method, seconds) => store.presign(key, method, seconds),
    uploadFile: (path, key, options) =>
      around(/\/files\/\d+\//.test(key) ? ['stagefile'] : [], () => store.uploadFile(path, key, options)),
  };
}

const isOpenMark = (key: string): boolean => key.startsWith('open/');

function pointsOf(key: string, body: Uint8Array | string): readonly string[] {
  if (key.endsWith('/opened.json')) return ['opengather'];
  if (isOpenMark(key)) return ['mark'];
  if (/^(jobs|runs)\/.*\.json$/.test(key) && String(body).includes('"discarded":')) return ['discard'];
  if (key.startsWith('due/')) return ['due'];
  if (key.startsWith('news/')) return ['news'];
  if (key.startsWith('code/')) return ['putcode'];
  if (/\/steps\/[^/]+\/parts\/\d+\.ndjson$/.test(key)) return ['stepshard'];
  if (/\/steps\/[^/]+\/interruptions\//.test(key)) return ['interruption'];
  if (!/\/journal\/\d+\.json$/.test(key)) return [];
  return String(body).includes('"what":"close"') ? ['journal', 'close'] : ['journal'];
}
