import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

/**
 * Starts the module `<name>` next to another one (its `import.meta.url`) as a thread. In the bundle it is a separate
 * entry, `<name>.js`, in the directory of all chunks. From source it is `<name>.ts`; Node 20 doesn't pass loaders on to
 * threads, so the thread first registers the one for TypeScript.
 */
export function startThread(name: string, workerData: unknown, beside: string): Worker {
  if (!import.meta.url.endsWith('.ts')) {
    const loader = JSON.stringify(fileURLToPath(new URL('../bin/load.js', import.meta.url)));
    return new Worker(`require(${loader}).load('${name}.js')`, { eval: true, workerData });
  }
  // The loader's CommonJS entry fails in threads, so its other one is used, wherever this file itself was required
  // from.
  const loader = createRequire(import.meta.url)
    .resolve('tsx/esm/api')
    .replace(/\.cjs$/, '.mjs');
  const module = JSON.stringify(new URL(`./${name}.ts`, beside).href);
  const source = `import(${JSON.stringify(loader)}).then(({ register }) => { register(); return import(${module}); })`;
  return new Worker(source, { eval: true, workerData });
}

/** Monotonic milliseconds that all threads of the process share; `performance.now()` starts anew in each. */
export function sharedMonotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
