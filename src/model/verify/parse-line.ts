import type { EvidenceLine } from './evidence-lines.ts';
import { parsePart } from './parse-part.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A line of an evidence file, as far as it has the shape of one; null for anything else. */
export function parseLine(text: string): EvidenceLine | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isFields(value) && isLine(value, text) ? value : null;
}

function isLine(value: Fields, text: string): value is Fields & EvidenceLine {
  switch (value.line) {
    case 'evidence':
      return (
        value.format === 1 &&
        isText(value.job) &&
        isText(value.version) &&
        isRecord(value.record) &&
        value.record.job === value.job
      );
    case 'input':
      return isCount(value.n) && isText(value.name) && isCount(value.size) && isFields(value.source);
    case 'decision':
      return isCount(value.n) && isText(value.checksum) && isText(value.text);
    case 'part':
      return parsePart(text) !== null;
    case 'opened':
      return isText(value.step) && isText(value.id) && isSize(value.count) && isText(value.leftOut);
    case 'end':
      return isText(value.step) && isCount(value.n) && isEnd(value);
    case 'file':
      return (
        isCount(value.n) && isText(value.from) && [value.step, value.key, value.name, value.checksum].every(isText)
      );
    case 'shard':
      return isText(value.of) && isCount(value.shard) && isCount(value.lines) && isText(value.sha256);
    case 'proof':
      return (value.key === null || isText(value.key)) && isText(value.checksum) && isFields(value.proof);
    case 'seal':
      return isCount(value.lines) && isText(value.sha256);
    default:
      return false;
  }
}

function isEnd(value: Fields): boolean {
  switch (value.end) {
    case 'published':
      return isCodeOrNull(value.code) && isFields(value.counters) && Object.values(value.counters).every(isText);
    case 'failed':
      return isCount(value.round);
    case 'altered':
      return isText(value.problem);
    default:
      return value.end === 'skipped' || value.end === 'givenUp' || value.end === 'missing';
  }
}

/** The fields of job.json that every look at it needs. */
function isRecord(value: unknown): value is Fields {
  if (!isFields(value) || !isFields(value.spec) || !isText(value.job) || !isSize(value.parts)) return false;
  const { steps, expect, tolerate } = value.spec;
  return Array.isArray(steps) && steps.every(isStep) && Array.isArray(expect) && isFields(tolerate);
}

const isStep = (value: unknown): boolean => isFields(value) && isText(value.name);

const isCodeOrNull = (value: unknown): boolean => value === null || isText(value);

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Tasks are numbered by nine digits: what claims more would be counted for days. */
const isSize = (value: unknown): boolean => isCount(value) && value < 1e9;

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
