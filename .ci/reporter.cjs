// Says every few seconds where a run is, what failed as soon as its file has ended, and at the end which files took the
// longest. What came of it goes to `results` in the run's directory, for .ci/test.mjs: how many tests of each file passed, what
// failed, what was skipped.
// Under CI a skipped test is a failure. The files' times and what each lane runs come from test/support/run/lane.mjs.
const { readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join, relative } = require('node:path');
const { reporters, Runner } = require('mocha');

const { EVENT_RUN_BEGIN, EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Runner.constants;

/** Milliseconds between two lines of progress. */
const PACE = 5_000;
/** Milliseconds after which a file that still runs is taken for one that hangs: its lane is killed. */
const HANGS = 15 * 60_000;
/** So many of the files that took longest are named. */
const SLOWEST = 15;

module.exports = class LanesReporter extends reporters.Base {
  #run = process.env.BATCHCTL_TEST_RUN;
  #files = new Set();
  #began = performance.now();
  #passed = 0;
  /** By file. */
  #passedOf = {};
  #skipped = [];
  /** One for each failure: the test's file and title. */
  #failures = [];

  constructor(runner, options) {
    super(runner, options);
    for (const file of options.spec ?? []) this.#files.add(relative('', file));
    const pace = setInterval(() => this.#progress(), PACE);
    runner.once(EVENT_RUN_BEGIN, () => console.log(`${this.#files.size} files in ${options.jobs ?? 1} lanes`));
    runner.on(EVENT_TEST_PASS, (test) => {
      this.#passed += 1;
      const file = fileOf(test);
      this.#passedOf[file] = (this.#passedOf[file] ?? 0) + 1;
    });
    runner.on(EVENT_TEST_PENDING, (test) => this.#skipped.push(test.fullTitle()));
    runner.on(EVENT_TEST_FAIL, (test, error) => this.#fail(test, error));
    runner.once(EVENT_RUN_END, () => clearInterval(pace));
  }

  #progress() {
    const running = readdirSync(this.#run)
      .filter((name) => name.startsWith('lane-'))
      .map((name) => ({ pid: Number(name.slice('lane-'.length)), ...laneOf(join(this.#run, name)) }))
      .filter(({ file }) => file !== '');
    for (const { pid, file, since } of running)
      if (Date.now() - since > HANGS) {
        console.log(`${file} hangs: its lane is killed`);
        process.kill(pid, 'SIGKILL');
      }
    const seconds = Math.round((performance.now() - this.#began) / 1_000);
    const at = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    const counts = `${this.#times().length} of ${this.#files.size} files, ${this.#passed} passed, ${this.#failures.length} failed`;
    const names = running.map(({ file }) => file.replace(/^test\/|\.test\.ts$/g, '')).sort();
    console.log(`${at}  ${counts}; running: ${names.join(', ')}`);
  }

  #times() {
    const lines = readIfThere(join(this.#run, 'times')).split('\n');
    return lines.filter((line) => this.#files.has(line.split(' ')[2]));
  }

  #fail(test, error) {
    const file = fileOf(test, error);
    this.#failures.push({ file, title: test.fullTitle(), head: headOf(error) });
    console.log(`\nFAILED ${file}: ${test.fullTitle()}\n${this.#whole(error)}\n`);
  }

  /** The message, what differs, and where. */
  #whole(error) {
    const message = String(error?.stack ?? error?.message ?? error);
    if (error?.showDiff === false || error?.expected === undefined) return message;
    return `${message}\n${reporters.Base.generateDiff(stringify(error.actual), stringify(error.expected))}`;
  }

  done(failures, finish) {
    const times = this.#times().sort((a, b) => Number.parseFloat(b) - Number.parseFloat(a));
    console.log('\nSlowest files, in seconds of the clock and of CPU:');
    for (const line of times.slice(0, SLOWEST)) console.log(`  ${line}`);
    for (const title of this.#skipped) console.log(`skipped: ${title}`);
    const skipped = this.#skipped.length;
    console.log(`${this.#passed} passing, ${failures} failing, ${skipped} skipped`);
    const lacking = new Set(readIfThere(join(this.#run, 'lacking')).split('\n').filter(Boolean));
    if (lacking.size > 0) console.log(`to run what was skipped: apt-get install ${[...lacking].sort().join(' ')}`);
    const results = { passed: this.#passedOf, failures: this.#failures, skipped };
    writeFileSync(join(this.#run, 'results'), JSON.stringify(results));
    finish(failures + (process.env.CI ? skipped : 0));
  }
};

function fileOf(test, error) {
  return relative('', test.file ?? test.parent?.file ?? error?.file ?? '');
}

/** What a lane runs, and since when. */
function laneOf(path) {
  const [file, since] = readIfThere(path).split(' ');
  return { file, since: Number(since) };
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** The beginning of what an error says, on one line. */
function headOf(error) {
  return String(error?.message ?? error)
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
}

function stringify(value) {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? String(value));
}
