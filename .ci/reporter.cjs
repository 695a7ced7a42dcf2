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

/** The beginning of what an error says, on one line. */
function headOf(error) {
  return String(error?.message ?? error)
    .replaceAll(/\s+/g, ' ')
    .slice(0, 300);
}
