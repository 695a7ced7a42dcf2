import { fullKey, type S3Bucket, target } from './s3-bucket.ts';

/** The URL that a request for a key would go to: host-style or path-style, partition and endpoint as the SDK has them. */
export async function placeOf(bucket: S3Bucket, key: string): Promise<URL> {
  const command = new bucket.sdk.HeadObjectCommand({ ...target(bucket), Key: fullKey(bucket, key) });
  let url: URL | null = null;
  // The request is made up to this point, and not sent.
  command.middlewareStack.add(
    () => async (args) => {
      url = urlOf(args.request);
      return { response: undefined, output: { $metadata: {} } };
    },
    { step: 'build', priority: 'low', name: 'placeOf' },
  );
  await bucket.client.send(command);
  if (url === null) throw new TypeError('the SDK made no request');
  return url;
}

function urlOf(request: unknown): URL {
  if (typeof request !== 'object' || request === null) throw new TypeError('the SDK made no request');
  const { protocol, hostname, port, path } = request as Record<'protocol' | 'hostname' | 'port' | 'path', unknown>;
  return new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`);
}
