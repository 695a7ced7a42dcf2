// How long batchctl takes to start, compared with `node -e 0` on the same machine. `node bench/start-up.bench.mjs
// [--small]`
import { spawnSync } from 'node:child_process';
import { batchctl, environment, inTurns, report, Scratch, SMALL, timed } from './measure.mjs';

const JOB = JSON.stringify({
  name: 'bench',
  input: { split: { by: 'range', from: 1, to: 3 } },
  steps: [{ name: 'work', run: ['/bin/true'] }],
});

const scratch = new Scratch();
try {
  const cwd = scratch.workspace({ 'job.yaml': JOB });
  timed(batchctl('run', 'job.yaml', '--quiet'), { cwd });
  const commands = {
    'node -e 0': [process.execPath, '-e', '0'],
    '--version': batchctl('--version'),
    '--help': batchctl('--help'),
    'status last': batchctl('status', 'last'),
  };
  const cases = Object.entries(commands).map(([name, argv]) => [name, () => exact(argv, cwd)]);
  const found = await inTurns(SMALL ? 5 : 41, Object.fromEntries(cases));
  const base = found['node -e 0'].ms;
  for (const [name, goal] of [
    ['--version', 1.4],
    ['--help', 1.4],
    ['status last', 2],
  ]) {
    const times = found[name].ms / base;
    report({
      what: `batchctl ${name}`,
      ours: `${found[name].ms.toFixed(1)} ms`,
      peer: `node -e 0 ${base.toFixed(1)} ms`,
      goal: `within ${goal} times (found ${times.toFixed(2)})`,
      met: times <= goal,
    });
  }
} finally {
  scratch.remove();
}

/** Runs without a shell, whose own start would improve the ratio. */
function exact(argv, cwd) {
  const begun = performance.now();
  const { status } = spawnSync(argv[0], argv.slice(1), { cwd, env: environment(cwd), stdio: 'ignore' });
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with exit code ${status}`);
  return { ms: performance.now() - begun };
}
