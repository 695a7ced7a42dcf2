// Mocha's spec reporter, which also names what was skipped, writes the counts where BATCHCTL_TEST_SUMMARY says
// (`N N N`: passed, failed, skipped) and what failed beside it (`.failed`), and under CI counts a skipped test as a failure.
const { writeFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

const { EVENT_TEST_FAIL, EVENT_TEST_PENDING } = Runner.constants;

module.exports = class CountingReporter extends reporters.Spec {
  #skipped = [];
  #failed = [];

  constructor(runner, options) {
    super(runner, options);
    runner.on(EVENT_TEST_PENDING, (test) => this.#skipped.push(test.fullTitle()));
    runner.on(EVENT_TEST_FAIL, (test, error) => this.#failed.push(`failed: ${test.fullTitle()}: ${headOf(error)}\n`));
  }

  done(failures, finish) {
    for (const title of this.#skipped) console.log(`skipped: ${title}`);
    const skipped = this.#skipped.length;
    const summary = process.env.BATCHCTL_TEST_SUMMARY;
    if (summary) {
      writeFileSync(summary, `${this.stats.passes} ${failures} ${skipped}\n`);
      writeFileSync(`${summary}.failed`, this.#failed.join(''));
    }
    finish(failures + (process.env.CI ? skipped : 0));
  }
};

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
