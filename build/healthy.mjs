// The health check of the images (Dockerfile): `node healthy.mjs manager|worker`. Exits 0 if the container is healthy;
// otherwise prints why and exits 1.
import { execFileSync } from 'node:child_process';
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { hostname } from 'node:os';

const CHECKS = { manager, worker };
/** States in which a worker sends heartbeats. */
const ALIVE = ['starting', 'idle', 'busy', 'draining'];

const why = await CHECKS[process.argv[2]]();
if (why !== null) console.log(why);
process.exitCode = why === null ? 0 : 1;

/**
 * Whether the manager answers at its port (BATCHCTL_LISTEN). Like `/healthz` itself, this is true while the store is
 * unavailable. Only the manager knows whether it uses TLS.
 */
async function manager() {
  const port = process.env.BATCHCTL_LISTEN.split(':').pop();
  const tls = await answerOf(getHttps, `https://127.0.0.1:${port}/healthz`);
  if (tls === 200) return null;
  const plain = await answerOf(getHttp, `http://127.0.0.1:${port}/healthz`);
  return plain === 200 ? null : `expected 200 from /healthz at port ${port}, found ${tls} by https, ${plain} by http`;
}

/** A status, or the error's code. The certificate may be the manager's own, for another name. */
function answerOf(get, url) {
  return new Promise((resolve) => {
    const request = get(url, { rejectUnauthorized: false, timeout: 5_000 }, (response) => {
      resolve(response.resume().statusCode);
    });
    request.on('error', ({ code }) => resolve(code));
    request.on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })));
  });
}

/** Whether the ledger has recent heartbeats of a worker of this container, so that jobs can count on it. */
function worker() {
  const lines = execFileSync('batchctl', ['workers', '--json'], { encoding: 'utf8' }).trim().split('\n');
  const states = lines
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter(({ host }) => host === hostname())
    .map(({ state }) => state);
  if (states.some((state) => ALIVE.includes(state))) return null;
  return `expected a worker of ${hostname()} that sends heartbeats, found ${states.join(', ') || 'none'}`;
}
