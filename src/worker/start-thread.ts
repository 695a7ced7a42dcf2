import { Worker } from 'node:worker_threads';

/**
 * Starts the module `<name>` beside this one as a thread. In the bundle it is an entry of its own, `<name>.js`, in the
 * directory of all chunks. From source it is `<name>.ts`; Node 20 gives a thread none of its parent's loaders, so that
 * thread first registers the one that reads TypeScript.
 */
export function startThread(name: string, workerData: unknown): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL(`./${name}.js`, import.meta.url), { workerData });
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const module = JSON.stringify(new URL(`./${name}.ts`, import.meta.url).href);
  const source = `import(${loader}).then(({ register }) => { register(); return import(${module}); })`;
  return new Worker(source, { eval: true, workerData });
}
