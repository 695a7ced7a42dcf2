import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Workspace } from './workspace.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/claims', import.meta.url));

/** What the claims example came to, wherever it ran. */
export interface ClaimsResult {
  /** The bytes of every step's outputs, joined in task order. */
  readonly outputs: Readonly<Record<string, string>>;
  /** The control totals as the proof has them. */
  readonly expectations: unknown;
  readonly counters: unknown;
  readonly steps: unknown;
}

/** The result that the example's own page shows. */
export const expectedTotals = (): string => readFileSync(join(EXAMPLE, 'expected.csv'), 'utf8');

/** Lays the example down in a workspace, with its 20,000 claims. */
export function layClaims(workspace: Workspace): void {
  for (const name of readdirSync(EXAMPLE)) cpSync(join(EXAMPLE, name), workspace.path(name));
  claims ??= madeIn(workspace);
  writeFileSync(workspace.path('claims.csv'), claims);
}

/** They are the same each time. */
let claims: Buffer | null = null;

function madeIn(workspace: Workspace): Buffer {
  const made = spawnSync(process.execPath, ['make-claims.mjs', '--records', '20000', '-o', 'claims.csv'], {
    cwd: workspace.dir,
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`make-claims failed: ${made.stderr}`);
  return readFileSync(workspace.path('claims.csv'));
}

/** Verifies, fetches and reports a job that has ended, by the command line. */
export async function claimsResult(workspace: Workspace, job: string): Promise<ClaimsResult> {
  const proof = JSON.parse((await workspace.well('verify', job, '--deep', '--json')).stdout);
  expect(proof.verdict).to.equal('proven');
  expect(proof.missing).to.deep.equal([]);
  expect(proof.altered).to.deep.equal([]);
  const report = JSON.parse((await workspace.well('report', job, '--format', 'json')).stdout);
  expect(report).to.include({ job, state: 'succeeded', exact: true });
  const status = JSON.parse((await workspace.well('status', job, '--json')).stdout);
  const outputs: Record<string, string> = {};
  for (const step of ['price', 'convert', 'totals']) {
    await workspace.well('fetch', job, '--step', step, '-o', `${step}.out`);
    outputs[step] = readFileSync(workspace.path(`${step}.out`), 'utf8');
  }
  const { expectations, steps } = proof;
  return { outputs, expectations, steps, counters: status.counters };
}
