import type { Part } from '../part.ts';

/** A part of a shard's line, as far as it has the shape of one; null for anything else. Unknown fields are ignored. */
export function parsePart(line: string): Part | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  return isRecord(value) && isPart(value) ? value : null;
}

function isPart(value: Readonly<Record<string, unknown>>): value is Readonly<Record<string, unknown>> & Part {
  const { kind } = value;
  if (!isCount(value.n) || (value.records !== undefined && !isCount(value.records))) return false;
  if (kind === 'params') return isRecord(value.params) && Object.values(value.params).every(isText);
  if (!isCount(value.input)) return false;
  switch (kind) {
    case 'range':
      return isCount(value.offset) && isCount(value.length) && (value.header === undefined || isRange(value.header));
    case 'whole':
      return true;
    case 'piece':
      return (
        isText(value.key) &&
        isCount(value.size) &&
        isText(value.checksum) &&
        (value.header === undefined || isCount(value.header))
      );
    case 'item':
      return isText(value.item);
    default:
      return false;
  }
}

function isRange(value: unknown): boolean {
  return isRecord(value) && isCount(value.offset) && isCount(value.length);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
