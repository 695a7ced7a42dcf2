// Loaded by mocha in each lane (.mocharc.json). Writes into the run's directory which file is running (`lane-PID`) and the
// seconds that each took (`times`: wall, CPU, file), for .ci/reporter.cjs. Lets only one file that runs a whole grid run at a
// time. Fails a test that made a request which AWS would refuse (aws-requests.mjs).
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Runnable } from 'mocha';
import { hasModels } from '../aws-model.mjs';

const { BATCHCTL_TEST_RUN: run = '' } = process.env;
const now = join(run, `lane-${process.pid}`);
let before = usedSoFar();

const GRID = /\.grid\.test\.ts$/;
/** This directory exists while a grid runs. */
const grid = join(run, 'grid-runs');

const departures = join(run, `aws-departures-${process.pid}`);
if (hasModels()) {
  process.env.BATCHCTL_TEST_AWS_REQUESTS = join(import.meta.dirname, 'aws-requests.mjs');
  process.env.BATCHCTL_TEST_AWS_DEPARTURES = departures;
}

/** Fails a test or hook that made such a request and would pass. */
const { run: runOriginal } = Runnable.prototype;
Runnable.prototype.run = function (end) {
  runOriginal.call(this, (error) => end(error ?? departureError()));
};

function departureError() {
  if (!existsSync(departures)) return undefined;
  const lines = new Set(readFileSync(departures, 'utf8').split('\n').filter(Boolean));
  rmSync(departures);
  return new Error(`expected requests that AWS accepts, found:\n${[...lines].join('\n')}`);
}

/** The lane's environment, restored before each file: a file's changes don't affect others. */
const environment = { ...process.env };

export const mochaHooks = {
  async beforeAll() {
    for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
    Object.assign(process.env, environment);
    const file = fileOf(this.test.parent);
    if (GRID.test(file)) {
      this.timeout(0);
      while (!takeGrid()) await sleep(500);
      before = { ...usedSoFar(), cpu: before.cpu };
    }
    writeFileSync(now, `${file} ${Date.now()}`);
  },
  afterAll() {
    // Includes the time to load the file.
    const after = usedSoFar();
    const seconds = [after.wall - before.wall, after.cpu - before.cpu].map((part) => part.toFixed(1));
    const file = fileOf(this.test.parent);
    appendFileSync(join(run, 'times'), `${seconds.join(' ')} ${file}\n`);
    if (GRID.test(file)) rmSync(grid, { recursive: true });
    before = after;
    rmSync(now, { force: true });
  },
};

function takeGrid() {
  try {
    mkdirSync(grid);
    return true;
  } catch {
    return false;
  }
}

function fileOf(suite) {
  const [first] = [...suite.suites, ...suite.tests];
  return relative('', first?.file ?? '');
}

/** Seconds so far: of the clock, and of the CPU of this process and the children it has waited for. */
function usedSoFar() {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // proc(5): utime, stime, cutime, cstime, in ticks of which a second has 100 on every Linux that Node runs on.
  const cpu = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
  return { wall: performance.now() / 1_000, cpu };
}
