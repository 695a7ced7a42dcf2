// Mocha's spec reporter, which also names what was skipped, writes the counts where BATCHCTL_TEST_SUMMARY says
// (`N N N`: passed, failed, skipped), beside it what failed (`.failed`) and the seconds that each file took (`.times`: wall,
// CPU, file), and under CI counts a skipped test as a failure.
const { readFileSync, writeFileSync } = require('node:fs');
const { relative } = require('node:path');
const { reporters, Runner } = require('mocha');

const { EVENT_HOOK_END, EVENT_TEST_END, EVENT_TEST_FAIL, EVENT_TEST_PENDING } = Runner.constants;

module.exports = class CountingReporter extends reporters.Spec {
  #skipped = [];
  #failed = [];
  /** By file: wall and CPU. */
  #times = new Map();
  #before = usedSoFar();

  constructor(runner, options) {
    super(runner, options);
    runner.on(EVENT_TEST_PENDING, (test) => this.#skipped.push(test.fullTitle()));
    runner.on(EVENT_TEST_FAIL, (test, error) => this.#failed.push(`failed: ${test.fullTitle()}: ${headOf(error)}\n`));
    for (const event of [EVENT_TEST_END, EVENT_HOOK_END]) runner.on(event, ({ file }) => this.#spend(file));
  }

  /** What passed since the last test or hook was this one's. */
  #spend(file) {
    const now = usedSoFar();
    const { wall, cpu } = this.#times.get(file) ?? { wall: 0, cpu: 0 };
    this.#times.set(file, { wall: wall + now.wall - this.#before.wall, cpu: cpu + now.cpu - this.#before.cpu });
    this.#before = now;
  }

  done(failures, finish) {
    for (const title of this.#skipped) console.log(`skipped: ${title}`);
    const skipped = this.#skipped.length;
    const summary = process.env.BATCHCTL_TEST_SUMMARY;
    if (summary) {
      writeFileSync(summary, `${this.stats.passes} ${failures} ${skipped}\n`);
      writeFileSync(`${summary}.failed`, this.#failed.join(''));
      const lines = [...this.#times].map(
        ([file, { wall, cpu }]) => `${wall.toFixed(1)} ${cpu.toFixed(1)} ${relative('', file ?? '')}\n`,
      );
      writeFileSync(`${summary}.times`, lines.join(''));
    }
    finish(failures + (process.env.CI ? skipped : 0));
  }
};

/** Seconds so far: of the clock, and of CPU, of this process and of the children that it waited for. */
function usedSoFar() {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // proc(5): utime, stime, cutime, cstime, in ticks of which a second has 100 on every Linux that Node runs on.
  const cpu = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
  return { wall: performance.now() / 1_000, cpu };
}

/** The beginning of what an error says, on one line, and of what differs where it compared two things. */
function headOf(error) {
  const said = onOneLine(String(error?.message ?? error));
  if (error?.showDiff !== true) return said;
  const diff = reporters.Base.generateDiff(stringify(error.actual), stringify(error.expected));
  const differs = diff.split('\n').filter((line) => /^\s*[-+](?! expected - actual| ?actual)/.test(line));
  return `${said}: ${onOneLine(differs.join(' '))}`;
}

function stringify(value) {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? String(value));
}

function onOneLine(text) {
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 300);
}
