// Loaded by mocha (.mocharc.json). Makes threads run from bundles. From source, a thread spends half a second of CPU on tsx and
// TypeScript, and each worker in a test's process starts one for its leases. A bundle takes a tenth of that. It is made once a
// run, in the run's directory, from a thread and the module of the queue that it opens (src/lib/thread.ts).
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import threads from 'node:worker_threads';
import { buildSync } from 'esbuild';

/** The code with which src/lib/thread.ts starts a thread. */
const FROM_SOURCE = /register\(\); return import\("(file:[^"]+\.ts)"\)/;
const SOURCE = /^file:.*\.ts$/;

const { Worker } = threads;
threads.Worker = class extends Worker {
  constructor(source, options) {
    const [, thread] = (options?.eval && FROM_SOURCE.exec(source)) || [];
    const { queue, ...data } = options?.workerData ?? {};
    if (thread === undefined || (queue && !SOURCE.test(queue.module))) super(source, options);
    else {
      const [bundle, module] = bundled(queue ? [thread, queue.module] : [thread]);
      const workerData = { ...data, ...(queue && { queue: { ...queue, module: module.href } }) };
      super(bundle, { ...options, eval: false, execArgv: [], workerData });
    }
  }
};
syncBuiltinESMExports();

/** The modules' URLs in a bundle of all of them. */
function bundled(urls) {
  const names = urls.map((url) => basename(url, '.ts'));
  const directory = join(process.env.BATCHCTL_TEST_RUN, `bundle-of-${names.join('-')}`);
  if (!existsSync(directory)) make(directory, urls.map(fileURLToPath));
  return names.map((name) => pathToFileURL(join(directory, `${name}.mjs`)));
}

function make(directory, entryPoints) {
  const own = `${directory}-${process.pid}`;
  mkdirSync(own);
  buildSync({
    entryPoints,
    outdir: own,
    entryNames: '[name]',
    outExtension: { '.js': '.mjs' },
    // Split, so that each class of errors exists once. Bundling packages would take a second, in which leases expire.
    bundle: true,
    splitting: true,
    packages: 'external',
    logLevel: 'warning',
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
  symlinkSync(join(import.meta.dirname, '../../../node_modules'), join(own, 'node_modules'));
  try {
    renameSync(own, directory);
  } catch {
    // Another lane has made it.
    rmSync(own, { recursive: true });
  }
}
