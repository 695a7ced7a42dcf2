#!/usr/bin/env node
const { load } = require('./load.js');

// An event loop that runs dry before there is an answer is no success.
process.exitCode = 13;
load('main.js')
  .main(process.argv.slice(2))
  .then((code) => {
    process.exitCode = code;
  });
