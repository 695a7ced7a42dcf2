// Servers for benches.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Credentials and settings for clients of emulators, which accept any credentials. */
export const AWS_ENV = {
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
  AWS_REGION: 'us-east-1',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
};

/** Starts fauxqs: an S3 and SQS in memory. */
export const startFauxqs = () => startServer('../test/support/servers/fauxqs-server.mjs', /^queues at port (\d+)$/);

/** Starts a server, a script relative to this directory. `pattern` matches the line in which it prints its port. */
export async function startServer(script, pattern) {
  const child = spawn(process.execPath, [join(import.meta.dirname, script)], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const [, port] = pattern.exec(line) ?? [];
    if (port !== undefined) return { port, url: `http://127.0.0.1:${port}`, stop: () => child.kill('SIGKILL') };
  }
  throw new Error(`${script} ended before it printed its port`);
}

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
