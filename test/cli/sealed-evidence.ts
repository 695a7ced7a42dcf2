import { createHash } from 'node:crypto';

/** The text of an evidence file: the lines with a valid seal, as a forger would write it. */
export function sealedEvidence(lines: readonly string[]): string {
  const body = lines.map((line) => `${line}\n`).join('');
  const sha256 = createHash('sha256').update(body).digest('hex');
  return `${body}${JSON.stringify({ line: 'seal', lines: lines.length, sha256 })}\n`;
}
