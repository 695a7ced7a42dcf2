// Protects: tests that use the in-memory store can be trusted, because it keeps the rules of every object store.
import { objectStoreContract } from '../contracts/object-store.ts';
import { MemoryStore } from './memory-store.ts';

objectStoreContract('memory', async () => {
  const store = new MemoryStore();
  return { store, reopen: async () => store, close: async () => undefined };
});
