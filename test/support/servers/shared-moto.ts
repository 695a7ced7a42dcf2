import { type Moto, startMoto } from './moto.ts';

let shared: Promise<Moto> | null = null;

// Outside any suite: once, when all of them are over.
after(async () => {
  await (await shared?.catch(() => null))?.stop();
});

/** For a suite's `before` hook: one moto for all suites that take buckets of their own, as each takes seconds to start. */
export async function sharedMoto(suite: Mocha.Context): Promise<Moto> {
  suite.timeout(60_000);
  shared ??= startMoto(suite);
  return shared;
}
