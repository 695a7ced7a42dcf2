import { objectStoreContract } from '../contracts/object-store.ts';
import { MemoryStore } from './memory-store.ts';

// What tests lean on keeps the port's laws too.
objectStoreContract('memory', async () => {
  const store = new MemoryStore();
  return { store, reopen: async () => store, close: async () => undefined };
});
