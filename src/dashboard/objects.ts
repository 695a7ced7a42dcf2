import { API } from '../model/api.ts';
import { META_KEY, type OutputMeta } from '../model/output.ts';
import { CallError, send } from './call.ts';
import { parseClean } from './words/text.ts';

const urlOf = (key: string): string => `${API}/objects?${new URLSearchParams({ key, through: 'true' })}`;

/** The facts about a published output. Throws `CallError`, also for an object that is none. */
export async function readOutputMeta(key: string): Promise<OutputMeta> {
  const { headers } = await send(`${API}/objects?${new URLSearchParams({ key })}`, { method: 'HEAD' });
  const meta = headers.get(`x-amz-meta-${META_KEY}`);
  if (meta === null) throw new CallError(0, `${key} has no metadata of an output`);
  return parseClean(meta) as OutputMeta;
}

/** Larger files are not read again to compare their checksum, bytes. */
const COMPARED = 256 * 2 ** 20;

interface Expected {
  readonly size: number;
  /** `sha256:<hex>` */
  readonly checksum: string;
}

/**
 * Saves a stored object through the browser under a file name. Throws `CallError` if its size or checksum differs from
 * what is expected; browsers compute checksums only on https and on this machine.
 */
export async function saveObject(key: string, name: string, expected: Expected | null): Promise<void> {
  const bytes = await (await send(urlOf(key), {})).blob();
  if (expected !== null) {
    const found = { size: bytes.size, checksum: await checksumOf(bytes) };
    if (found.size !== expected.size || (found.checksum !== null && found.checksum !== expected.checksum)) {
      const hint = 'check the job with batchctl verify JOB --deep';
      throw new CallError(0, `${key} is not what was published: ${expected.size} bytes, ${expected.checksum}`, hint);
    }
  }
  saveBlob(bytes, name);
}

async function checksumOf(bytes: Blob): Promise<string | null> {
  if (crypto.subtle === undefined || bytes.size > COMPARED) return null;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await bytes.arrayBuffer()));
  return `sha256:${[...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** Milliseconds until the browser has surely begun to save a file. */
const KEPT_MS = 60_000;

export function saveBlob(bytes: Blob, name: string): void {
  const url = URL.createObjectURL(bytes);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
