// Protects: the in-memory store keeps the rules of every object store, so that tests that use it can be trusted.
import { objectStoreContract } from '../contracts/object-store.ts';
import { MemoryStore } from './memory-store.ts';

// What tests lean on keeps the port's laws too.
objectStoreContract('memory', async () => {
  const store = new MemoryStore();
  return { store, reopen: async () => store, close: async () => undefined };
});
