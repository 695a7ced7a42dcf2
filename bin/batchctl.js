#!/usr/bin/env node
const { load } = require('./load.js');

// Not a success if the event loop empties before `main` has answered.
process.exitCode = 13;
// Exit at once: tearing down the heap takes Node a few milliseconds.
process.once('beforeExit', () => process.exit());
load('main.js')
  .main(process.argv.slice(2))
  .then((code) => {
    process.exitCode = code;
  });
