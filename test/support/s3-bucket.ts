import { randomId } from '../../src/lib/id.ts';

/** An invalid signature: emulators only require that there is one. */
const SIGNED = {
  authorization:
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261126/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0',
};

/** A bucket of an emulator that doesn't check signatures, accessed without the SDK. */
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
    await bucket.#request('PUT', '');
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    if (versions) await bucket.#request('PUT', '?versioning', body);
    return bucket;
  }

  uri(key: string): string {
    return `s3://${this.name}/${key}`;
  }

  async put(key: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#request('PUT', `/${key}`, body);
  }

  async delete(key: string): Promise<void> {
    await this.#request('DELETE', `/${key}`);
  }

  /** Null if there is no such object. */
  async read(key: string): Promise<string | null> {
    const response = await fetch(`${this.#url}/${this.name}/${key}`, { headers: SIGNED });
    const text = await response.text();
    if (response.status === 404) return null;
    if (!response.ok) throw new Error(`GET ${key}: ${response.status} ${text}`);
    return text;
  }

  /** Keys below a prefix, sorted. */
  async keys(prefix = ''): Promise<readonly string[]> {
    const text = await (await this.#request('GET', `?list-type=2&prefix=${encodeURIComponent(prefix)}`)).text();
    return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => key).sort();
  }

  async #request(method: string, path: string, body?: string | Uint8Array<ArrayBuffer>): Promise<Response> {
    const request = { method, headers: SIGNED, ...(body !== undefined && { body }) };
    const response = await fetch(`${this.#url}/${this.name}${path}`, request);
    if (!response.ok) throw new Error(`${method} ${this.name}${path}: ${response.status} ${await response.text()}`);
    return response;
  }
}
