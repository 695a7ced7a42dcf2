// Servers for benches.
import { createServer } from 'node:net';

/** A port of this machine that is not in use. */
export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Waits until a server responds at this URL, for ten seconds at most. */
export async function serves(url, server) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await fetch(url);
    } catch (error) {
      if (tries === 100 || server.exitCode !== null) throw error;
      await new Promise((next) => setTimeout(next, 100));
    }
  }
}
