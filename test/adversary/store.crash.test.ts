// Protects: `verify --deep` detects any alteration, loss or mix-up in the store of a proven job, exits with 9 and says
// what it found; so does `verify --check` for an evidence file. docs/proof.md lists what a proof can't detect.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { managerHost } from '../../src/cli/commands/manager.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { openContext } from '../../src/cli/context.ts';
import { splitGlobalFlags } from '../../src/cli/global-flags.ts';
import { processIo } from '../../src/cli/io.ts';
import { verbHelp } from '../../src/cli/verb-help.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { exitCodeOf } from '../../src/errors.ts';
import { checkFile } from '../../src/jobs/verify/check/check-file.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { openVerbRunner } from '../../src/verbs/verb-runner.ts';
import { Workspace } from '../support/workspace.ts';
import { FINISHED } from './finished-jobs.ts';
import { evidenceMutations, kindOf, type Mutation, mutationsOf, reseal, type StoredObject } from './mutations.ts';
import { NOT_COVERED, Tally } from './not-covered.ts';

describe('the store of a proven job', () => {
  const tally = new Tally();

  for (const [shape, finish] of Object.entries(FINISHED))
    it(`contains nothing that can be altered unnoticed: ${shape}`, async () => {
      const workspace = new Workspace();
      const unexpected: string[] = [];
      try {
        const job = await finish(workspace);
        const verify = ['verify', job, '--deep'];
        await workspace.runSuccessfully(...verify);
        const platform = await workspace.platform();
        const { store } = platform;
        const verifyInManager = await openVerifier(workspace, platform, job);
        const typedKinds = new Set<string>();
        const objects = await objectsOf(store, job);
        for (const object of objects) {
          const kind = kindOf(object.key);
          const siblings = objects.filter(({ key }) => key !== object.key && kindOf(key) === kind);
          for (const mutation of mutationsOf(object, siblings)) {
            await mutate(store, mutation);
            // The first of each kind runs as a person types it; the others as in a manager, which opens no port again.
            const run = typedKinds.has(kind) ? verifyInManager : () => workspace.run([...verify, '--dry-run']);
            typedKinds.add(kind);
            const { code, stderr } = await run();
            await restore(store, object);
            if (!tally.count(kind, `${shape}: ${mutation.alike}`, code))
              unexpected.push(`${mutation.key} ${mutation.what}: exit ${code} ${stderr.trim()}`);
          }
        }
        expect(unexpected.join('\n')).to.equal('');
        await workspace.runSuccessfully(...verify);
      } finally {
        await workspace.remove();
      }
    });

  it('has an evidence file in which no line can be altered unnoticed, even if it is sealed again', async () => {
    const workspace = new Workspace();
    const unexpected: string[] = [];
    try {
      for (const shape of ['retried and skipped', 'explode', 'extended'] as const) {
        const job = await (FINISHED[shape] ?? expect.fail())(workspace);
        const path = workspace.path('evidence.ndjson');
        await workspace.runSuccessfully('verify', job, '--deep', '-o', path);
        const bytes = readFileSync(path);
        for (const mutation of evidenceMutations(bytes)) {
          for (const text of [mutation.text, reseal(mutation.text)]) {
            if (bytes.equals(Buffer.from(text))) continue;
            writeFileSync(path, text);
            const code = await checkFile(path).then(({ mismatches }) => (mismatches.length > 0 ? 9 : 0), exitCodeOf);
            if (!tally.count('an evidence file', mutation.alike, code)) unexpected.push(mutation.what);
          }
        }
      }
      expect(unexpected.join('\n')).to.equal('');
    } finally {
      await workspace.remove();
    }
  });

  it('matches docs/proof.md: what a proof does not cover, all of it and no more', () => {
    const docs = readFileSync(new URL('../../docs/proof.md', import.meta.url), 'utf8');
    const section = docs.slice(docs.indexOf('## What it does not cover'), docs.indexOf('## What it does not prove'));
    const listed = [...section.matchAll(/^- (.*)$/gm)].map(([, text]) => text);
    expect(listed).to.have.members(NOT_COVERED.map(({ what }) => what));
    const [, shapes = ''] = /takes proven jobs of nine shapes \(([^)]*)\)/.exec(section.replace(/\s+/g, ' ')) ?? [];
    const named = shapes.split(', ').map((shape) => shape.replace(/`|^an? |^one step$| tasks$| failures$/g, ''));
    expect(named).to.have.members(Object.keys(FINISHED).map((shape) => (shape === 'map' ? '' : shape)));
    expect(tally.unused()).to.deep.equal([]);
    console.log(tally.table());
    expect(section).to.include(tally.words());
  });
}).timeout(600_000);

/** All objects of a job in the store, and those that it shares with others. */
async function objectsOf(store: ObjectStore, job: string): Promise<readonly StoredObject[]> {
  const objects: StoredObject[] = [];
  for (const prefix of [`jobs/${job}/`, 'code/', 'runs/']) {
    for await (const key of store.keys(prefix)) {
      const [bytes, info] = [await store.read(key), await store.head(key)];
      if (bytes === null || info === null) throw new Error(`${key} is gone`);
      objects.push({ key, bytes, metadata: info.metadata });
    }
  }
  return objects;
}

/** Returns a function that runs `verify JOB --deep --dry-run` as a manager does, on ports that stay open. */
async function openVerifier(
  workspace: Workspace,
  platform: Platform,
  job: string,
): Promise<() => Promise<{ readonly code: number; readonly stderr: string }>> {
  const { signal } = new AbortController();
  const config = await loadConfig({ env: {}, cwd: workspace.dir, home: '', etc: '', flags: { profile: 'local' } });
  const { flags } = splitGlobalFlags([]);
  const ctx = openContext({ flags, io: processIo(), signal, stopNow: signal, closed: signal, config });
  const { call } = await openVerbRunner(
    managerHost(ctx, config, platform),
    await verbHelp(ctx, { commands: COMMANDS }),
  );
  return async () => {
    const { exitCode, error } = await call({
      name: 'verify',
      input: { job, deep: true },
      who: 'auditor',
      scope: 'operate',
      attachments: null,
      signal,
      dryRun: true,
      yes: true,
      tz: null,
      report: () => undefined,
      notice: () => undefined,
      warn: () => undefined,
      row: async () => 0,
    });
    return { code: exitCode, stderr: error?.message ?? '' };
  };
}

async function mutate(store: ObjectStore, { key, after }: Mutation): Promise<void> {
  if (after === null) await store.delete([key]);
  else await store.put(key, after.bytes, { metadata: after.metadata });
}

async function restore(store: ObjectStore, { key, bytes, metadata }: StoredObject): Promise<void> {
  await store.put(key, bytes, { metadata });
}
