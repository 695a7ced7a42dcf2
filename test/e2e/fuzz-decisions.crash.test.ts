// Protects: no random sequence of commands, races and crashes breaks the guarantees that design.md gives for a job.
import { expect } from 'chai';
import { fuzz } from './fuzz/fuzz.ts';
import { openServices, type Services } from './fuzz/world.ts';

/**
 * Plays random sequences of what people, machines and accidents do to one job, on the real code. Then an independent
 * oracle checks the result against the laws of design.md. `BATCHCTL_FUZZ_SECONDS=3600` runs for an hour;
 * `BATCHCTL_FUZZ_SEED=17` runs one sequence and prints its story.
 */
const SECONDS = Number(process.env.BATCHCTL_FUZZ_SECONDS ?? 15);
const SEED = process.env.BATCHCTL_FUZZ_SEED;
/** Sequences that once broke a law: of skipped chains, of verify, of late outputs. */
const REGRESSIONS: readonly number[] = [896, 2_386, 3_521, 3_850, 4_708, 5_233, 6_109, 14_779];
/** Warm-up sequences: modules load during them, and the time that takes would change the first real sequence. */
const WARM: readonly number[] = [1, 2];
/** Number of sequences after which to use a new directory, because its SQLite files grow. */
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
  const hold = async (seed: number, extended = false): Promise<void> => {
    const { broken, story } = await fuzz(services, seed, extended);
    if (broken.length > 0)
      expect.fail(
        `BATCHCTL_FUZZ_SEED=${seed}${extended ? ' (extended)' : ''} broke a law:\n${[...story, ...broken].join('\n')}\n`,
      );
  };

  for (const seed of SEED === undefined ? REGRESSIONS : [Number(SEED)])
    it(`keeps every law in the sequence of seed ${seed}`, () => hold(seed));
  if (SEED !== undefined)
    it(`keeps every law in the extended sequence of seed ${SEED}`, () => hold(Number(SEED), true));

  if (SEED !== undefined) return;
  const first = Math.floor(Math.random() * 2 ** 31);

  for (const extended of [false, true])
    it(`keeps every law in the ${extended ? 'extended ' : ''}sequences from seed ${first} on, for ${SECONDS} s`, async () => {
      const end = performance.now() + SECONDS * 1_000;
      let seed = first;
      for (; performance.now() < end; seed += 1) {
        if ((seed - first) % DESK === DESK - 1) {
          await services.close();
          services = await openServices();
        }
        await hold(seed, extended);
      }
      expect(seed - first).to.be.greaterThan(0);
    });
});
