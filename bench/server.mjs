// Servers that a bench starts beside itself.
import { createServer } from 'node:net';

/** A port of this machine's that nobody listens on. */
export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Waits until a server answers at this URL, ten seconds at most. */
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
