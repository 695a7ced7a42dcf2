import { join } from 'node:path';
import { installed } from '../run/lacking.ts';
import { freePort, type Running, startProgram } from '../servers/program.ts';

/** A moto server whose EC2 is mended where it differs from AWS (moto-grid.py says where); all state in memory. */
export async function startMotoGrid(): Promise<Running & { readonly url: string }> {
  const moto = installed('python3-moto');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await startProgram({
    // Debian's moto belongs to Debian's Python.
    command: moto.startsWith('/usr/bin/') ? '/usr/bin/python3' : 'python3',
    args: [join(import.meta.dirname, 'moto-grid.py'), String(port)],
    ready: async () => {
      const answer = await fetch(`${url}/moto-api/`);
      await answer.arrayBuffer();
      return answer.ok;
    },
  });
  return { ...running, url };
}
