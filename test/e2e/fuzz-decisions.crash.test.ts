// Protects: no random sequence of commands, races and crashes breaks the guarantees that design.md gives for a job.
import { expect } from 'chai';
import { fuzz } from '../support/fuzz/fuzz.ts';
import { openServices, type Services } from '../support/fuzz/world.ts';

/**
 * What people, machines and accidents do to one job, at random, on the real code; then the laws of design.md are held
 * against what is left, by an oracle of its own. `BATCHCTL_FUZZ_SECONDS=3600` goes on for an hour, `BATCHCTL_FUZZ_SEED=17`
 * runs one sequence and tells its story.
 */
const SECONDS = Number(process.env.BATCHCTL_FUZZ_SECONDS ?? 15);
const SEED = process.env.BATCHCTL_FUZZ_SEED;
/** Sequences that broke a law once. */
const REGRESSIONS: readonly number[] = [36, 5_047, 50_097, 50_116];
/** Sequences that load what is loaded once: the time that takes would make the first one another. */
const WARM: readonly number[] = [1, 2];
/** A services is renewed after so many sequences: its SQLite files grow. */
const DESK = 100;

describe('random sequences of commands and accidents on one job', function () {
  this.timeout((SECONDS + 120) * 1_000);
  let services: Services;

  before(async () => {
    services = await openServices();
    for (const seed of WARM) await fuzz(services, seed);
    await services.close();
  });
  beforeEach(async () => {
    services = await openServices();
  });
  afterEach(() => services.close());

  /** Fails with the story of a sequence that broke a law. */
  const hold = async (seed: number): Promise<void> => {
    const found = await fuzz(services, seed);
    if (found === null) return;
    const story = [...found.story, ...found.broken].join('\n');
    expect.fail(`BATCHCTL_FUZZ_SEED=${seed} broke a law:\n${story}\n`);
  };

  for (const seed of SEED === undefined ? REGRESSIONS : [Number(SEED)]) {
    it(`the sequence of seed ${seed} keeps every law`, () => hold(seed));
  }

  if (SEED !== undefined) return;
  const first = Math.floor(Math.random() * 2 ** 31);

  it(`every sequence from seed ${first} on keeps every law, for ${SECONDS} s`, async () => {
    const end = performance.now() + SECONDS * 1_000;
    let seed = first;
    for (; performance.now() < end; seed += 1) {
      if ((seed - first) % DESK === DESK - 1) {
        await services.close();
        services = await openServices();
      }
      await hold(seed);
    }
    expect(seed - first).to.be.greaterThan(0);
  });
});
