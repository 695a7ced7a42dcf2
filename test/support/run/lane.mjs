// Loaded by mocha in each lane (.mocharc.json): leaves in the run's directory which file now runs (`lane-PID`) and the seconds
// that each took (`times`: wall, CPU, file). .ci/reporter.cjs reads both.
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const { BATCHCTL_TEST_RUN: run = '' } = process.env;
const now = join(run, `lane-${process.pid}`);
let before = usedSoFar();

/** The environment as the lane was given it: what a file's tests set in it ends with the file. */
const environment = { ...process.env };

export const mochaHooks = {
  beforeAll() {
    for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
    Object.assign(process.env, environment);
    writeFileSync(now, `${fileOf(this.test.parent)} ${Date.now()}`);
  },
  afterAll() {
    // Loading the file was part of it.
    const after = usedSoFar();
    const seconds = [after.wall - before.wall, after.cpu - before.cpu].map((part) => part.toFixed(1));
    appendFileSync(join(run, 'times'), `${seconds.join(' ')} ${fileOf(this.test.parent)}\n`);
    before = after;
    rmSync(now, { force: true });
  },
};

function fileOf(suite) {
  const [first] = [...suite.suites, ...suite.tests];
  return relative('', first?.file ?? '');
}

/** Seconds so far: of the clock, and of CPU, of this process and of the children that it waited for. */
function usedSoFar() {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // proc(5): utime, stime, cutime, cstime, in ticks of which a second has 100 on every Linux that Node runs on.
  const cpu = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
  return { wall: performance.now() / 1_000, cpu };
}
