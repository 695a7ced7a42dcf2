import { createHash } from 'node:crypto';
import { isOurs } from '../../src/errors.ts';
import { adjust } from '../../src/jobs/adjust.ts';
import { mustReadView, readEntries } from '../../src/jobs/journal.ts';
import { kill } from '../../src/jobs/kill.ts';
import { listFacts } from '../../src/jobs/listing.ts';
import { look } from '../../src/jobs/look.ts';
import { guardFailures } from '../../src/jobs/guards.ts';
import { pause } from '../../src/jobs/pause.ts';
import { prune } from '../../src/jobs/prune.ts';
import { choosePrunable } from '../../src/jobs/prune-choice.ts';
import { resume } from '../../src/jobs/resume.ts';
import { retry } from '../../src/jobs/retry.ts';
import { sendUndecided } from '../../src/jobs/send.ts';
import { skip } from '../../src/jobs/skip.ts';
import { repairJob } from '../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { asciiJson } from '../../src/lib/json.ts';
import { standingOf } from '../../src/model/decide.ts';
import { failedKey, openMark, outKey } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import { META } from '../../src/model/output.ts';
import { roundOf, stateOf } from '../../src/model/view.ts';
import { admit } from '../../src/worker/admit.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';

function rng(seed: number) {
  let s = seed * 2654435761 >>> 0 || 1;
  return () => { s ^= s << 13; s >>>= 0; s ^= s >>> 17; s ^= s << 5; s >>>= 0; return s / 2 ** 32; };
}
async function run(seed: number): Promise<string | null> {
  const r = rng(seed); for (let i = 0; i < 5; i++) r();
  const int = (n: number) => Math.floor(r() * n);
  const place = await openPlace();
  const { platform } = place; const { store } = platform;
  const log: string[] = [];
  try {
    const yaml = `
name: claims
tolerate: ${int(2)}
onFailure: ${r() < 0.4 ? 'stop' : 'finish'}
input: { from: a.csv, split: { by: lines, every: 1 } }
steps:
  - { name: price, run: [cat], attempts: 1 }
  - { name: check, run: [cat], attempts: 1 }
  - { name: totals, gather: true, run: [cat], attempts: 1 }
`;
    const first = await submitJob(place, yaml, { 'a.csv': '1\n2\n3\n4\n' });
    const { job } = first.record;
    const view = () => mustReadView(store, job);
    const queue = await platform.queue('default');
    const caches = [new JobCache(store, 1e9), new JobCache(store, 1)];
    const held: { msg: any; }[] = [];
    const publish = async (m: any) => {
      const text = `${m.step} ${m.task}\n`; const when = new Date().toISOString();
      const meta = { format: 1, attempt: 'abcdefghijklmn' + int(10) + int(10), number: 1, round: m.round, worker: 'w', startedAt: when, endedAt: when, seconds: 0, cpuSeconds: null, peakMemory: null, bytesIn: 1, bytesOut: text.length, checksum: `sha256:${createHash('sha256').update(text).digest('hex')}`, counters: {}, code: null };
      await store.put(outKey(job, m.step, m.task), text, { ifAbsent: true, metadata: { [META]: asciiJson(meta) } });
    };
    const chain = async (m: any, v: any) => {
      if (m.step !== 'price') return;
      await queue.send([{ body: encodeMessage({ job, step: 'check', task: m.task, round: roundOf(await view(), 1, m.task) }), tenant: job }]);
    };
    const step = async (okShare: number): Promise<boolean> => {
      const [d] = await queue.receive({ max: 1, waitSeconds: 0 });
      if (d === undefined) return false;
      const found = await admit(store, caches[int(2)] as JobCache, d, Date.now());
      if (found.kind === 'refused') {
        if (found.outcome.kind === 'twin' && found.admitted) { await chain(found.admitted.message, found.admitted.view); }
        if (found.outcome.kind === 'failed' && found.admitted) { const m = found.admitted.message; await store.put(failedKey(job, m.step, m.task, m.round), JSON.stringify({ format: 1, reason: 'killed', exitCode: null, error: 'x', attempt: 'none', number: 1, worker: 'w', startedAt: '2026-11-25T00:00:00.000Z', endedAt: '2026-11-25T00:00:00.000Z', cause: '' }), { ifAbsent: true }); }
        log.push(`  refused ${d.body} ${JSON.stringify(found.outcome).slice(0, 60)}`);
        if (found.outcome.kind === 'poison') throw new Error(`poison ${JSON.stringify(found.outcome)} ${d.body}`);
        if (found.outcome.kind === 'declined') await queue.release([{ receipt: d.receipt, delay: 0 }]); else await queue.ack([d.receipt]);
        await look(platform, await view());
        return true;
      }
      const m = found.message;
      if (r() < 0.15 && okShare < 1) { held.push({ msg: found }); await queue.ack([d.receipt]); log.push(`  held ${d.body}`); return true; }
      if (r() < okShare) { await publish(m); await chain(m, found.view); log.push(`  done ${m.step}/${m.task}.${m.round}`); }
      else {
        await store.put(failedKey(job, m.step, m.task, m.round), JSON.stringify({ format: 1, reason: 'exit', exitCode: 9, error: 'bad', attempt: 'none', number: 1, worker: 'w', startedAt: '2026-11-25T00:00:00.000Z', endedAt: '2026-11-25T00:00:00.000Z', cause: '' }), { ifAbsent: true });
        await guardFailures(platform, found.view); log.push(`  failed ${m.step}/${m.task}.${m.round}`);
      }
      if (r() < 0.1) { await queue.send([{ body: d.body, tenant: job }]); }
      await queue.ack([d.receipt]);
      if (r() < 0.8 || okShare === 1) await look(platform, await view());
      return true;
    };
    const release = async () => {
      const h = held.splice(int(held.length), 1)[0]; if (!h) return;
      await publish(h.msg.message); await chain(h.msg.message, h.msg.view); log.push(`  late ${h.msg.message.step}/${h.msg.message.task}.${h.msg.message.round}`);
      await look(platform, await view());
    };
    const names = ['price', 'check', 'totals'];
    const task = () => { const s = int(5) === 0 ? 2 : int(2); return { step: s, name: names[s] as string, task: s === 2 ? 0 : int(4) }; };
    let pruned = false;
    const actions: [string, () => Promise<unknown>][] = [
      ['retry all', async () => retry(platform, await view(), { tasks: [], canaries: null, overrides: {}, dryRun: false })],
      ['retry canary', async () => retry(platform, await view(), { tasks: [], canaries: 1, overrides: {}, dryRun: false })],
      ['retry task', async () => retry(platform, await view(), { tasks: [task()], canaries: null, overrides: {}, dryRun: false })],
      ['skip', async () => skip(platform, await view(), { tasks: [task()], causes: [], reason: 'x', undo: false, dryRun: false })],
      ['skip', async () => skip(platform, await view(), { tasks: [task()], causes: [], reason: 'x', undo: false, dryRun: false })],
      ['unskip', async () => skip(platform, await view(), { tasks: [task()], causes: [], reason: '', undo: true, dryRun: false })],
      ['pause', async () => pause(platform, await view(), { now: false })],
      ['resume', async () => resume(platform, await view())],
      ['tolerate', async () => adjust(platform, await view(), { tolerate: String(int(3)) }, { dryRun: false })],
      ['kill', async () => kill(platform, await view(), task(), 'fail')],
      ['look', async () => look(platform, await view())],
      ['repair', async () => repairJob(platform, await view())],
      ['late', release],
    ];
    const act = async () => {
      const [name, go] = actions[int(actions.length)] as (typeof actions)[number];
      try { await go(); log.push(name); }
      catch (error) { if (!isOurs(error) || !['refused', 'notFound', 'unavailable'].includes(error.kind)) throw error; log.push(`${name}: ${error.kind}`); }
    };
    for (let i = 0; i < 30; i++) {
      const x = r();
      if (x < 0.55) await step(0.7);
      else if (x < 0.75) await act();
      else if (x < 0.9) await Promise.all([act(), act()]);
      else await Promise.all([act(), step(0.7)]);
    }
    while (held.length > 0) await release();
    // Everyone is done: whatever is left must come to an end by itself.
    if ((await view()).paused && (await view()).closed === null) await resume(platform, await view());
    for (let i = 0; i < 40; i++) {
      while (await step(1));
      const found = await look(platform, await view());
      if (found.view.closed !== null && !found.standing.settled && found.view.stopped === null) return `closed with undecided: ${JSON.stringify(found.standing.steps.map((s) => [s.name, [...s.undecided]]))}\n${log.join('\n')}`;
      if (found.view.closed !== null) break;
      await sendUndecided(platform, found.view, found.standing);
      if (i === 39) return `never closes: ${JSON.stringify(found.standing.steps.map((s) => ({ ...s, undecided: [...s.undecided] })))} next ${JSON.stringify(found.standing.next)}\n${log.join('\n')}`;
    }
    const end = await view();
    const again = await look(platform, end);
    if (again.did.length > 0) return `moves when done: ${again.did}\n${log.join('\n')}`;
    for (let n = 0; n <= end.round; n++) if ((await store.head(openMark(job, n))) !== null) return `mark ${n} left of closed\n${log.join('\n')}`;
    const result = await verifyJob(platform, end);
    if ((stateOf(end) === 'succeeded') !== (result.verdict === 'proven')) return `state ${stateOf(end)} verdict ${JSON.stringify(result.problems)}\n${log.join('\n')}`;
    const standing = standingOf(end, await listFacts(store, end));
    for (const [i, s] of standing.steps.entries()) { const p = result.steps[i]!; const given = end.stopped !== null ? s.undecided.count : 0; if (p.failed !== s.failed + given || p.published !== s.published) return `proof counts ${JSON.stringify(p)} ${JSON.stringify({ ...s, undecided: s.undecided.count })}\n${log.join('\n')}`; }
    if (r() < 0.3) { await Promise.all([prune(platform, await choosePrunable(platform, 0), 0, {}), act(), act()]); const es = await readEntries(store, job); const at = es.findIndex((e) => e.what === 'prune'); if (at >= 0 && at !== es.length - 1) return `after prune\n${log.join('\n')}`; }
    return null;
  } catch (error) { return `threw ${(error as Error).stack}\n${log.join('\n')}`; }
  finally { await place.end(); }
}
const [from, to] = [Number(process.argv[2]), Number(process.argv[3])];
let bad = 0;
for (let seed = from; seed < to && bad < 3; seed++) { const wrong = await run(seed); if (wrong !== null) { bad++; console.log(`SEED ${seed}: ${wrong}\n`); } }
console.log('done', from, to);
