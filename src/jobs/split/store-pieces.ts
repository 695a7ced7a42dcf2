import { pieceKey } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { StorePiece } from './cut-pieces.ts';

/**
 * Stores a job's pieces under its own, fresh id, so none can be there already. A large piece's file is moved
 * into the store where that is possible.
 */
export function storePieces(store: Pick<ObjectStore, 'put' | 'uploadFile'>, job: string): StorePiece {
  return async ({ n, size, checksum, body }) => {
    const key = pieceKey(job, n);
    if ('bytes' in body) await store.put(key, body.bytes);
    else await store.uploadFile(body.path, key, { consume: true });
    return { key, size, checksum };
  };
}
