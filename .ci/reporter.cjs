// Mocha's spec reporter, which also names what was skipped, writes the counts where BATCHCTL_TEST_SUMMARY says
// (`N N N`: passed, failed, skipped), and under CI counts a skipped test as a failure.
const { writeFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

const { EVENT_TEST_PENDING } = Runner.constants;

module.exports = class CountingReporter extends reporters.Spec {
  #skipped = [];

  constructor(runner, options) {
    super(runner, options);
    runner.on(EVENT_TEST_PENDING, (test) => this.#skipped.push(test.fullTitle()));
  }

  done(failures, finish) {
    for (const title of this.#skipped) console.log(`skipped: ${title}`);
    const skipped = this.#skipped.length;
    const summary = process.env.BATCHCTL_TEST_SUMMARY;
    if (summary) writeFileSync(summary, `${this.stats.passes} ${failures} ${skipped}\n`);
    finish(failures + (process.env.CI ? skipped : 0));
  }
};
