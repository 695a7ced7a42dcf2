// Joins the chunks that common commands load together into packs, one script each. Compared with chunks of their own,
// V8 reads fewer bytes of compiled code, and calls from chunk to chunk need no lookup.
import { build } from 'esbuild';
import { COMMONJS, headOf } from './commonjs.mjs';

/**
 * The chunks of each pack, from the sets that commands loaded. What a chunk imports is loaded whenever it is, so it is
 * in the same pack or in an earlier one.
 */
export function packsOf({ '--help': help, status, run, worker, 'on AWS': onAws }) {
  const taken = new Set(help);
  const pack = (chunks, also) => {
    const free = [...chunks].filter((name) => !taken.has(name) && also.has(name));
    for (const name of free) taken.add(name);
    return free;
  };
  // In the order of loading: `run` starts its worker's process before it loads its command.
  const beforeRun = [...run].slice(
    0,
    [...run].findIndex((name) => name.startsWith('run-')),
  );
  return {
    base: pack(status, onAws),
    local: pack(status, status),
    hold: pack(beforeRun, run),
    work: pack(run, worker),
    run: pack(run, run),
    worker: pack(worker, worker),
  };
}

/**
 * One script of `chunks`: a function like that of a CommonJS module, whose exports has a function for each chunk that
 * returns the chunk's exports. Chunks of other packs are required by name. `texts` has the chunks as ES modules.
 */
export async function packText(chunks, texts) {
  const members = new Set(chunks);
  const each = chunks.map((name) => `${JSON.stringify(name)}: () => require("./${name}")`);
  const { outputFiles } = await build({
    ...COMMONJS,
    stdin: { contents: `module.exports = { ${each.join(', ')} };` },
    bundle: true,
    write: false,
    legalComments: 'none',
    plugins: [
      {
        name: 'chunks',
        setup: ({ onResolve, onLoad }) => {
          onResolve({ filter: /.*/ }, ({ path }) =>
            members.has(path.slice(2)) ? { path: path.slice(2), namespace: 'chunk' } : { path, external: true },
          );
          onLoad({ filter: /.*/, namespace: 'chunk' }, ({ path }) => ({ contents: texts[path], loader: 'js' }));
        },
      },
    ],
  });
  const [{ text }] = outputFiles;
  return `${headOf(text)}\n${text}`;
}
