import { recordDigest } from '../../../../src/jobs/submit/same-job.ts';
import { TotalsSum } from '../../../../src/jobs/totals.ts';
import { EvidenceSum } from '../../../../src/jobs/verify/evidence-sum.ts';
import { proofChecksum, type StoredProof } from '../../../../src/jobs/verify/proof.ts';
import { bytesChecksum } from '../../../../src/lib/file-checksum.ts';
import type { JobInput, JobRecord } from '../../../../src/model/job.ts';
import type { JournalEntry } from '../../../../src/model/journal.ts';
import type {
  DecisionLine,
  EndLine,
  EvidenceLine,
  FileLine,
  HeaderLine,
  InputLine,
  OpenedLine,
  ProofLine,
} from '../../../../src/model/verify/evidence.ts';
import { sealedEvidence } from '../../../cli/sealed-evidence.ts';

/** A line of an evidence file, to be changed in any way. */
// biome-ignore lint/suspicious/noExplicitAny: a forger changes any field to anything
export type Line = Record<string, any>;

/** The lines of a file without digests: shards and seal. */
export function linesOf(text: string): readonly Line[] {
  const lines = text.trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Line).filter(({ line }) => line !== 'shard' && line !== 'seal');
}

export interface ForgeOptions {
  /** Changes the result in the proof after the evidence in it was computed again. */
  readonly result?: (result: Line) => void;
  /** Changes the proof, and leaves its own digests as they are if they are changed here. */
  readonly proof?: (line: Line) => void;
  /** The digest of job.json stays as it is. */
  readonly keepDigest?: boolean;
}

/** A file with these lines, as a forger would write it: every digest is computed again. */
export function forgedEvidence(lines: readonly Line[], options: ForgeOptions = {}): string {
  const out: string[] = [];
  const sum = new EvidenceSum((shard) => out.push(JSON.stringify(shard)));
  const header = lines.find(({ line }) => line === 'evidence') as HeaderLine | undefined;
  if (header === undefined) throw new Error('the file has no first line');
  const inputs = lines
    .filter(({ line }) => line === 'input')
    .map(
      (line): JobInput => ({ ...(line as JobInput), checksum: line.checksumFrom === 'submit' ? line.checksum : null }),
    );
  const record = header.record as JobRecord;
  const digest = options.keepDigest === true ? record.digest : recordDigest({ ...record, inputs });
  let phase = '';
  let step: string | null = null;
  let totals = new TotalsSum();
  const endStep = (): void => {
    if (step !== null) sum.endStep(totals.totals());
    step = null;
    totals = new TotalsSum();
  };
  const endPhase = (): void => {
    if (phase === 'input') sum.endInputs();
    else if (phase === 'decision') sum.endDecisions();
    else if (phase === 'part') sum.endParts();
    else if (phase === 'end') endStep();
  };
  const order = ['evidence', 'input', 'decision', 'part', 'opened', 'end', 'file', 'proof'];
  for (const given of lines) {
    const line = given as EvidenceLine & Line;
    for (let next = order.indexOf(phase) + 1; next <= order.indexOf(line.line); next += 1) {
      endPhase();
      phase = order[next] ?? '';
    }
    if (line.line === 'evidence') {
      out.push(JSON.stringify({ ...line, record: { ...line.record, digest } }));
      continue;
    }
    if (line.line === 'proof') {
      sum.endFiles();
      out.push(JSON.stringify(proofOf(line as ProofLine, sum, { ...record, digest }, lines, options)));
      continue;
    }
    if (line.line === 'decision') given.checksum = bytesChecksum(new TextEncoder().encode(line.text));
    const text = JSON.stringify(line);
    if (line.line === 'input') sum.input(line as InputLine, text);
    else if (line.line === 'decision') sum.decision(line as DecisionLine, JSON.parse(line.text) as JournalEntry, text);
    else if (line.line === 'part') sum.part(line.n, text);
    else if (line.line === 'opened') sum.opened(line as OpenedLine);
    else if (line.line === 'file') sum.file(line as FileLine, text);
    else if (line.line === 'end') {
      if (step !== line.step) {
        endStep();
        step = line.step;
        sum.beginStep(line.step);
      }
      const end = line as EndLine;
      if (end.end === 'published' && end.late !== true) totals.add({ ...end, seconds: 0 });
      sum.end(end, text);
    }
    out.push(text);
  }
  return sealedEvidence(out);
}

function proofOf(
  line: ProofLine,
  sum: EvidenceSum,
  record: JobRecord,
  lines: readonly Line[],
  { result: change, proof: changeProof }: ForgeOptions,
): Line {
  const proof: Line = structuredClone(line.proof) as StoredProof;
  const decisions = lines.filter(({ line: kind }) => kind === 'decision');
  const result: Line = {
    ...proof.result,
    evidence: sum.finish({ accepted: record, record }),
    digest: record.digest,
    job: record.job,
  };
  result.entry = decisions.length - 1;
  change?.(result);
  proof.entry = decisions.length - 1;
  proof.entryChecksum = decisions.at(-1)?.checksum ?? null;
  proof.result = result;
  const out: Line = { ...line, key: line.key?.replace(/^jobs\/[^/]+/, `jobs/${record.job}`) ?? null, proof };
  changeProof?.(out);
  proof.checksum = proofChecksum(proof as StoredProof);
  out.checksum = bytesChecksum(new TextEncoder().encode(JSON.stringify(proof)));
  return out;
}
