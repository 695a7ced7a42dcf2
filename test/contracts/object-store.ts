import { forEachTest } from '../support/fixture.ts';
import { fileLaws } from './object-store-files.ts';
import { listingLaws } from './object-store-listing.ts';
import { objectLaws } from './object-store-objects.ts';
import { StoreBench, type StoreUnderTest } from './store-bench.ts';

/** The laws of `src/ports/object-store.ts`, for any adapter: `open` creates an empty store for each test. */
export function objectStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`object store contract: ${name}`, () => {
    const bench = forEachTest(async () => new StoreBench(await open()));
    objectLaws(bench);
    listingLaws(bench);
    fileLaws(bench);
  });
}
