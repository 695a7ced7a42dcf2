import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Workspace } from '../support/workspace.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/claims', import.meta.url));

/** The result of the claims example, which must be the same wherever it runs. */
export interface ClaimsResult {
  /** The outputs of each step, joined in the order of tasks. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly expectations: unknown;
  readonly counters: unknown;
  readonly steps: unknown;
}

export const expectedTotals = (): string => readFileSync(join(EXAMPLE, 'expected.csv'), 'utf8');

/** Copies the example into a workspace, with 20,000 claims. */
export function copyClaimsExample(workspace: Workspace): void {
  for (const name of readdirSync(EXAMPLE)) cpSync(join(EXAMPLE, name), workspace.path(name));
  claims ??= makeClaims(workspace);
  writeFileSync(workspace.path('claims.csv'), claims);
}

/** Made once, because they are always the same. */
let claims: Buffer | null = null;

function makeClaims(workspace: Workspace): Buffer {
  const args = ['make-claims.mjs', '--records', '20000', '-o', 'claims.csv'];
  execFileSync(process.execPath, args, { cwd: workspace.dir, stdio: 'pipe' });
  return readFileSync(workspace.path('claims.csv'));
}

/** Verifies, fetches and reports an ended job with the command line. */
export async function claimsResult(workspace: Workspace, job: string): Promise<ClaimsResult> {
  const proof = JSON.parse((await workspace.runSuccessfully('verify', job, '--deep', '--json')).stdout);
  expect(proof.verdict).to.equal('proven');
  expect(proof.missing).to.deep.equal([]);
  expect(proof.altered).to.deep.equal([]);
  const report = JSON.parse((await workspace.runSuccessfully('report', job, '--format', 'json')).stdout);
  expect(report).to.include({ job, state: 'succeeded', exact: true });
  const status = JSON.parse((await workspace.runSuccessfully('status', job, '--json')).stdout);
  const outputs: Record<string, string> = {};
  for (const step of ['price', 'convert', 'totals']) {
    await workspace.runSuccessfully('fetch', job, '--step', step, '-o', `${step}.out`);
    outputs[step] = readFileSync(workspace.path(`${step}.out`), 'utf8');
  }
  const { expectations, steps } = proof;
  return { outputs, expectations, steps, counters: status.counters };
}
