import { open } from 'node:fs/promises';

/** Bytes at the end of a log that are searched. */
const TAIL = 8_192;

/**
 * The last warning in a worker's log, or else its last error: why it gave up, without its own summary. Null for
 * neither.
 */
export async function lastComplaint(log: string): Promise<string | null> {
  try {
    const file = await open(log);
    try {
      const { size } = await file.stat();
      const from = Math.max(0, size - TAIL);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
      return complaintIn(buffer.toString('utf8', 0, bytesRead));
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}

export function complaintIn(text: string): string | null {
  const last = (pattern: RegExp): string | null => [...text.matchAll(pattern)].at(-1)?.[1] ?? null;
  return last(/^(?:\S+Z )?warning: (.+)$/gm) ?? last(/^(?:\S+Z )?(?:\w*[Ee]rror): (.+)$/gm);
}
