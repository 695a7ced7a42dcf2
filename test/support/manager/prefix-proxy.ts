import { request } from 'node:http';
import { type Listening, serve } from '../servers/listen.ts';

/** A reverse proxy that shows a manager below a path: all else that is asked of it is not found. */
export class PrefixProxy {
  /** What was asked for outside the path. */
  readonly strays: string[] = [];
  readonly url: string;
  readonly stop: () => Promise<void>;

  private constructor({ url, close }: Listening, prefix: string) {
    this.url = `${url}${prefix}`;
    this.stop = close;
  }

  static async start(manager: string, prefix = '/batch'): Promise<PrefixProxy> {
    const server = await serve((asked, answer) => {
      const { method, headers, url = '' } = asked;
      if (!url.startsWith(`${prefix}/`)) {
        made.strays.push(url);
        answer.writeHead(404).end();
        return;
      }
      const passed = request(new URL(url.slice(prefix.length), manager), { method, headers }, (said) => {
        answer.writeHead(said.statusCode ?? 502, said.headers);
        said.pipe(answer);
      });
      passed.once('error', () => answer.destroy());
      answer.once('close', () => passed.destroy());
      asked.pipe(passed);
    });
    const made = new PrefixProxy(server, prefix);
    return made;
  }
}
