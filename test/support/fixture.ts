import type { Suite } from 'mocha';

type When = 'suite' | 'test';

/** What a fixture's end may be called. */
const ENDS = ['close', 'stop', 'remove', 'release', 'destroy', 'end'];

/**
 * Made before the first test of the suite, and closed, stopped, removed, released, destroyed or ended after the last one:
 * the last made first, and after the suite's own `after` hooks. To be used in tests and hooks; while the suite is declared
 * it isn't there yet.
 */
export function forSuite<T extends object>(make: () => T | Promise<T>): T {
  return fixture('suite', before, make);
}

/** The same for each test. */
export function forEachTest<T extends object>(make: () => T | Promise<T>): T {
  return fixture('test', beforeEach, make);
}

function fixture<T extends object>(when: When, hook: typeof before, make: () => T | Promise<T>): T {
  let made: T | null = null;
  hook(async function () {
    const { parent } = this.test ?? {};
    if (parent === undefined) throw new Error('a fixture belongs to a suite');
    const thing = await make();
    made = thing;
    endsOf(parent, when).push(() => end(thing));
  });
  return standIn(() => {
    if (made === null) throw new Error('the fixture is used before it is made: use it in a test or a hook');
    return made;
  });
}

const registered: Record<When, WeakMap<Suite, (() => Promise<unknown>)[]>> = {
  suite: new WeakMap(),
  test: new WeakMap(),
};

/** What is still to be done when the suite, or its test, ends. */
function endsOf(suite: Suite, when: When): (() => Promise<unknown>)[] {
  const known = registered[when].get(suite);
  if (known !== undefined) return known;
  const ends: (() => Promise<unknown>)[] = [];
  registered[when].set(suite, ends);
  const endAll = async (): Promise<void> => {
    const errors: unknown[] = [];
    for (const each of ends.splice(0).reverse()) await each().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  };
  if (when === 'suite') suite.afterAll(endAll);
  else suite.afterEach(endAll);
  return ends;
}

async function end(thing: object): Promise<unknown> {
  const method = ENDS.map((name) => Reflect.get(thing, name)).find((each) => typeof each === 'function');
  return method?.call(thing);
}

/** An object that is another one, as soon as that is there. */
function standIn<T extends object>(real: () => T): T {
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
