#!/usr/bin/env node
const { load } = require('./load.js');

// An event loop that runs dry before there is an answer is no success.
process.exitCode = 13;
// Nothing is left to do then, and Node would spend some milliseconds on taking its heap apart.
process.once('beforeExit', () => process.exit());
load('main.js')
  .main(process.argv.slice(2))
  .then((code) => {
    process.exitCode = code;
  });
