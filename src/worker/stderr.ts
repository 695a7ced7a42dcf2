import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { logKey } from '../model/keys.ts';
import type { TaskMessage } from '../model/message.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { maskSecrets, type Secrets } from './secrets.ts';

/** Uploads an attempt's stderr, with secrets masked; nothing if it wrote nothing. */
export async function keepLog(
  store: ObjectStore,
  task: TaskMessage,
  attempt: string,
  path: string,
  secrets: Secrets,
): Promise<void> {
  if (fileSize(path) === 0) return;
  if (Object.keys(secrets).length > 0) writeFileSync(path, maskLog(readFileSync(path), secrets));
  await store.uploadFile(path, logKey(task.job, task.step, task.task, attempt));
}

/** A log with every secret's value masked, in any encoding. */
export function maskLog(log: Buffer, secrets: Secrets): Buffer {
  return Buffer.from(maskSecrets(log.toString('latin1'), latin1(secrets)), 'latin1');
}

/** The last non-blank line of the last 4 KiB, without control characters, at most 512 characters. */
export function lastLine(path: string, secrets: Secrets): string | null {
  const size = fileSize(path);
  if (size === 0) return null;
  const buffer = Buffer.alloc(Math.min(size, 4_096));
  const fd = openSync(path, 'r');
  try {
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
  } finally {
    closeSync(fd);
  }
  const [last = ''] = stripVTControlCharacters(buffer.toString('utf8')).trimEnd().split('\n').slice(-1);
  const line = last.replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim();
  return line === '' ? null : maskSecrets(line, secrets).slice(-512);
}

/** Secrets as the bytes of a latin1 string, so that masking works on any log. */
function latin1(secrets: Secrets): Secrets {
  return Object.fromEntries(
    Object.entries(secrets).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]),
  );
}

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
