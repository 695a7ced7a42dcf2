import { randomId } from '../../src/lib/id.ts';

/** Of nobody; an emulator only looks whether there is one. */
const SIGNED = {
  authorization:
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261126/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0',
};

/** A bucket of an emulator that checks nothing, reached without the SDK. */
export class RawBucket {
  readonly name: string;
  readonly #url: string;

  private constructor(url: string, name: string) {
    this.#url = url;
    this.name = name;
  }

  static async make(
    s3: string,
    { versions = false, name = `raw-${randomId(8)}` }: { readonly versions?: boolean; readonly name?: string } = {},
  ): Promise<RawBucket> {
    const bucket = new RawBucket(s3, name);
    await bucket.#ask('PUT', '');
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    if (versions) await bucket.#ask('PUT', '?versioning', body);
    return bucket;
  }

  uri(key: string): string {
    return `s3://${this.name}/${key}`;
  }

  async put(key: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#ask('PUT', `/${key}`, body);
  }

  async delete(key: string): Promise<void> {
    await this.#ask('DELETE', `/${key}`);
  }

  /** Null for what isn't there. */
  async read(key: string): Promise<string | null> {
    const answer = await fetch(`${this.#url}/${this.name}/${key}`, { headers: SIGNED });
    const text = await answer.text();
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(`GET ${key}: ${answer.status} ${text}`);
    return text;
  }

  /** Keys below a prefix, sorted. */
  async keys(prefix = ''): Promise<readonly string[]> {
    const text = await (await this.#ask('GET', `?list-type=2&prefix=${encodeURIComponent(prefix)}`)).text();
    return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => key).sort();
  }

  async #ask(method: string, path: string, body?: string | Uint8Array<ArrayBuffer>): Promise<Response> {
    const what = { method, headers: SIGNED, ...(body !== undefined && { body }) };
    const answer = await fetch(`${this.#url}/${this.name}${path}`, what);
    if (!answer.ok) throw new Error(`${method} ${this.name}${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }
}
