import type { Suite } from 'mocha';

type Lifetime = 'suite' | 'test';

/** Names of methods that end a fixture; the first that it has is called. A workspace's `remove` includes its `close`. */
const END_METHODS = ['remove', 'close', 'stop', 'release', 'destroy', 'end'];

/**
 * Makes a fixture before the first test of the suite. After the last test and the suite's own `after` hooks it is removed,
 * closed, stopped, released, destroyed or ended; the fixture that was made last ends first. It can be used in tests and
 * hooks, but not while the suite is declared.
 */
export function forSuite<T extends object>(make: () => T | Promise<T>): T {
  return fixture('suite', before, make);
}

export function forEachTest<T extends object>(make: () => T | Promise<T>): T {
  return fixture('test', beforeEach, make);
}

function fixture<T extends object>(lifetime: Lifetime, hook: typeof before, make: () => T | Promise<T>): T {
  let current: T | null = null;
  hook(async function () {
    const { parent } = this.test ?? {};
    if (parent === undefined) throw new Error('a fixture belongs to a suite');
    const value = await make();
    current = value;
    cleanupsOf(parent, lifetime).push(() => end(value));
  });
  return proxyOf(() => {
    if (current === null) throw new Error('the fixture is used before it is made: use it in a test or a hook');
    return current;
  });
}

type Cleanups = (() => Promise<unknown>)[];

const registered = { suite: new WeakMap<Suite, Cleanups>(), test: new WeakMap<Suite, Cleanups>() };

/** The functions to call when the suite, or its current test, ends. */
function cleanupsOf(suite: Suite, lifetime: Lifetime): Cleanups {
  const known = registered[lifetime].get(suite);
  if (known !== undefined) return known;
  const cleanups: Cleanups = [];
  registered[lifetime].set(suite, cleanups);
  const endAll = async (): Promise<void> => {
    const errors: unknown[] = [];
    for (const each of cleanups.splice(0).reverse()) await each().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  };
  if (lifetime === 'suite') suite.afterAll(endAll);
  else suite.afterEach(endAll);
  return cleanups;
}

async function end(value: object): Promise<unknown> {
  const method = END_METHODS.map((name) => Reflect.get(value, name)).find((each) => typeof each === 'function');
  return method?.call(value);
}

/** A proxy of an object that may not exist yet. */
function proxyOf<T extends object>(real: () => T): T {
  return new Proxy({} as T, {
    get: (_, name) => {
      const value: unknown = Reflect.get(real(), name);
      return typeof value === 'function' ? value.bind(real()) : value;
    },
    set: (_, name, value) => Reflect.set(real(), name, value),
    has: (_, name) => Reflect.has(real(), name),
    ownKeys: () => Reflect.ownKeys(real()),
    getOwnPropertyDescriptor: (_, name) => {
      const found = Reflect.getOwnPropertyDescriptor(real(), name);
      return found && { ...found, configurable: true };
    },
    getPrototypeOf: () => Reflect.getPrototypeOf(real()),
  });
}
