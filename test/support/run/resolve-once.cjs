// Loaded by mocha (.mocharc.json, with --expose-internals). With hooks such as tsx's, Node.js asks another thread where a
// module is at each `import()`, also of a module that is loaded: 0.5 ms of CPU, tens of thousands of times in a run. Each
// answer is kept here. Where Node's loader is another, nothing is changed.
const loader = internalLoader();
if (typeof loader?.resolve === 'function') {
  const { resolve } = loader;
  const known = new Map();
  loader.resolve = function resolveOnce(specifier, parent, attributes, ...rest) {
    const key = JSON.stringify([specifier, parent, attributes]);
    if (!known.has(key)) {
      const found = resolve.call(this, specifier, parent, attributes, ...rest);
      known.set(key, found);
      // What is not there yet may be there later.
      Promise.resolve(found).catch(() => known.delete(key));
    }
    return known.get(key);
  };
}

function internalLoader() {
  const name = 'internal/modules/esm/loader';
  try {
    return require(name).getOrInitializeCascadedLoader();
  } catch {
    return null;
  }
}
